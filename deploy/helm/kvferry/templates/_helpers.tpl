{{- define "kvferry.fullname" -}}
{{- default (ternary .Release.Name (printf "%s-kvferry" .Release.Name) (contains "kvferry" .Release.Name)) .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "kvferry.selector" -}}
app.kubernetes.io/name: kvferry
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kvferry.labels" -}}
{{ include "kvferry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The pools that are enabled, each with the defaults that it does not replace: as JSON, by name. */}}
{{- define "kvferry.pools" -}}
{{- $pools := dict -}}
{{- range $name, $given := .Values.pools -}}
{{- $pool := mustMergeOverwrite (deepCopy $.Values.poolDefaults) (deepCopy $given) -}}
{{- if $pool.enabled -}}
{{- if and (eq $pool.mode "sidecar") (not $pool.engine.containers) -}}
{{- fail (printf "pools.%s: mode sidecar needs engine.containers, the containers beside the agent" $name) -}}
{{- end -}}
{{- if and (eq $pool.mode "daemonset") (ne $pool.sharedMemory.type "hostPath") -}}
{{- fail (printf "pools.%s: engines in other pods cannot reach an emptyDir: set sharedMemory.type to hostPath, or mode to sidecar" $name) -}}
{{- end -}}
{{- $_ := set $pools $name $pool -}}
{{- end -}}
{{- end -}}
{{- toJson $pools -}}
{{- end -}}

{{/* Settings of the agents of a pool, as their file has them. Of: root, pool. */}}
{{- define "kvferry.settings" -}}
{{- $nats := .root.Values.nats -}}
{{- $settings := dict
  "role" .pool.role
  "metricsAddress" (printf "0.0.0.0:%v" .pool.metricsPort)
  "tcpPort" .pool.tcpPort
  "arenaDirectory" "/dev/shm"
  "socketDirectory" "/dev/shm"
  "shutdownTimeoutMs" (mul .pool.shutdownSeconds 1000)
-}}
{{- with $nats.tls -}}{{- $_ := set $settings "natsTls" . -}}{{- end -}}
{{- range $setting, $file := omit $nats.credentials "secret" -}}
{{- if $file -}}{{- $_ := set $settings (printf "nats%s" (title $setting)) (printf "/etc/kvferry/nats/%s" $file) -}}{{- end -}}
{{- end -}}
{{- toPrettyJson (mustMergeOverwrite $settings (deepCopy .pool.settings)) -}}
{{- end -}}
