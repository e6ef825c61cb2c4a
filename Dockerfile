# One image for every role. Environment variables set the role of an agent (docker-compose.yml shows them).
#
# BASE_IMAGE is any Debian-based image with Node >= 20.19 and npm. The build stage compiles the addon with the headers of that
# Node and the libfabric of that Debian. All stages must therefore start from the same image.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends build-essential python3 libfabric-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# Dependencies come first because they change less often than the sources. Docker then reuses their layer.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json binding.gyp ./
COPY scripts scripts
COPY machines machines
COPY src src
RUN npm run build:native && npm run build

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# npm leaves out an optional package that it cannot download, and reports no error.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && node -e "for (const name of Object.keys(require('./package.json').optionalDependencies)) require('fs').accessSync('node_modules/' + name)"

FROM ${BASE_IMAGE}
# ibverbs-providers has the user-space drivers of RDMA cards. Without them libfabric finds no device.
RUN apt-get update \
  && apt-get install -y --no-install-recommends libfabric1 ibverbs-providers \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin kvferry \
  && install -d -o kvferry -g kvferry /run/kvferry \
  && printf '#!/bin/sh\nexec node /app/dist/src/cli/main.js "$@"\n' > /usr/local/bin/kvferry \
  && chmod 755 /usr/local/bin/kvferry
WORKDIR /app
COPY --from=dependencies /app/package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/build/Release/kvferry_native.node build/Release/kvferry_native.node
COPY --from=build /app/dist dist
ENV NODE_ENV=production
USER kvferry
ENTRYPOINT ["kvferry"]
CMD ["--help"]
