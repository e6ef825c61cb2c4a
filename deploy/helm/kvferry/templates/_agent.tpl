{{/* The container of an agent. Of: root, pool. */}}
{{- define "kvferry.agent" -}}
{{- $pool := .pool -}}
{{- $nats := .root.Values.nats -}}
name: agent
image: {{ printf "%s:%s" .root.Values.image.repository (default .root.Chart.AppVersion .root.Values.image.tag) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- if eq $pool.mode "sidecar" }}
# A sidecar: it starts before the engine, and ends after it.
restartPolicy: Always
{{- end }}
# An agent has a name that stays the same after a restart: that of its node and role, or of its pod. A name has no dots.
command: [/bin/sh, -c]
args:
  - >-
    exec kvferry agent --config /etc/kvferry/agent/agent.json
    --agent-id "$(printf %s "$AGENT_NAME" | tr -c 'A-Za-z0-9_-' - | tail -c 64)"
env:
  - name: PLACE
    valueFrom:
      fieldRef:
        fieldPath: {{ ternary "metadata.name" "spec.nodeName" (eq $pool.mode "sidecar") }}
  - name: AGENT_NAME
    value: {{ ternary "$(PLACE)" (printf "$(PLACE)-%s" .name) (eq $pool.mode "sidecar") }}
  - name: KVFERRY_BIND_ADDRESS
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  - name: KVFERRY_NATS_URL
{{- if not $nats.urlSecret.name }}
    value: {{ $nats.url | quote }}
{{- else }}
    valueFrom:
      secretKeyRef:
        name: {{ $nats.urlSecret.name }}
        key: {{ $nats.urlSecret.key }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ $pool.metricsPort }}
{{- if ne $pool.role "prefill" }}
  - name: tcp-bytes
    containerPort: {{ $pool.tcpPort }}
{{- end }}
# An agent takes all memory of its arena when it starts, which can take a minute.
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: {{ ne (int $pool.runAsUser) 0 }}
  runAsUser: {{ $pool.runAsUser }}
  runAsGroup: {{ $pool.runAsGroup }}
  capabilities:
    drop: [ALL]
{{- if $pool.rdma.enabled }}
    # A card reads registered memory directly, so the kernel must not move it.
    add: [IPC_LOCK]
{{- end }}
resources:
  {{- include "kvferry.resources" $pool | nindent 2 }}
volumeMounts:
  - {name: shared-memory, mountPath: /dev/shm}
  - {name: settings, mountPath: /etc/kvferry/agent, readOnly: true}
{{- if $nats.credentials.secret }}
  - {name: nats-credentials, mountPath: /etc/kvferry/nats, readOnly: true}
{{- end }}
{{- end -}}

{{/* Resources of an agent: those of its values, a device, and huge pages for its arena. Of: a pool. */}}
{{- define "kvferry.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- $more := dict -}}
{{- if .rdma.enabled -}}{{- $_ := set $more .rdma.resource (toString .rdma.count) -}}{{- end -}}
{{- if and (eq .sharedMemory.type "emptyDir") (hasPrefix "HugePages-" .sharedMemory.medium) -}}
{{- $_ := set $more (replace "HugePages" "hugepages" .sharedMemory.medium) .sharedMemory.sizeLimit -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $resources (dict "requests" $more "limits" (deepCopy $more))) -}}
{{- end -}}

{{/* Volumes of a pod with an agent. Of: root, pool, fullname. */}}
{{- define "kvferry.volumes" -}}
- name: shared-memory
{{- if eq .pool.sharedMemory.type "hostPath" }}
  hostPath:
    path: {{ .pool.sharedMemory.path }}
    type: Directory
{{- else }}
  emptyDir:
    medium: {{ .pool.sharedMemory.medium }}
    sizeLimit: {{ .pool.sharedMemory.sizeLimit }}
{{- end }}
- name: settings
  configMap:
    name: {{ .fullname }}
{{- with .root.Values.nats.credentials.secret }}
- name: nats-credentials
  secret:
    secretName: {{ . | replace "{role}" $.pool.role }}
    defaultMode: 0440
{{- end }}
{{- with .pool.engine.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
