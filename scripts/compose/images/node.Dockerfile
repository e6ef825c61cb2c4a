# Debian with the Node and the certificates of the host. The build context has both.
ARG DEBIAN
FROM ${DEBIAN}
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY local /usr/local
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
