# One image for every role. Environment variables set the role of an agent (docker-compose.yml shows them).
#
# BASE_IMAGE is any Debian-based image with Node >= 20.19 and npm. One stage compiles the addon with the headers of that Node and
# the libfabric of that Debian. All stages must therefore start from the same image.
ARG BASE_IMAGE=node:24.18.1-bookworm-slim@sha256:235600a8101ab264e117b1768e925532262668dc9b581ef1dd7d96ced463b8e7

FROM ${BASE_IMAGE} AS tools
RUN apt-get update \
  && apt-get install -y --no-install-recommends build-essential python3 libfabric-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# Dependencies come first because they change less often than the sources. Docker then reuses their layer.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

# The addon has a stage of its own: it takes a minute, and an edit of TypeScript does not change it.
FROM tools AS addon
COPY binding.gyp ./
COPY scripts/setup scripts/setup
COPY src/native/cc src/native/cc
RUN npm run build:native

FROM tools AS program
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/setup scripts/setup
COPY machines machines
COPY src src
RUN npm run build

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# npm leaves out an optional package that it cannot download, and reports no error.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && node -e "for (const name of Object.keys(require('./package.json').optionalDependencies)) require('fs').accessSync('node_modules/' + name)"

FROM ${BASE_IMAGE}
# ibverbs-providers has the user-space drivers of RDMA cards. Without them libfabric finds no device. The numbers of user and
# group are fixed, so that files in volumes keep their owner when the image is built again. Logs and caches have dates in them.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libfabric1 ibverbs-providers \
  && groupadd --system --gid 10001 kvferry \
  && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin kvferry \
  && install -d -o kvferry -g kvferry /run/kvferry \
  && install -d -o kvferry -g kvferry -m 0700 /keys /keys/server /give/prefill /give/decode /give/observer /give/operator /give/tester \
  && find /var/log -type f -delete \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/cache/ldconfig/*
COPY deploy/image/ /usr/local/bin/
WORKDIR /app
COPY --from=dependencies /app/package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=addon /app/build/Release/kvferry_native.node build/Release/kvferry_native.node
COPY --from=program /app/dist dist
ENV NODE_ENV=production
USER kvferry
ENTRYPOINT ["kvferry"]
CMD ["--help"]
