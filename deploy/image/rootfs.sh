#!/bin/sh
# Lays out what the image holds: rootfs.sh BINARY DIRECTORY. Run as root, as an image build does, it gives the output's directory to the user.
set -eu
binary=$1
root=$2

mkdir -p "$root/etc/ssl/certs" "$root/etc/tidegauge" "$root/usr/local/bin" "$root/var/lib/tidegauge"
install -m 0755 "$binary" "$root/usr/local/bin/tidegauge"
# Whom to trust, for brokers and object stores with public certificates.
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'tidegauge:x:65532:65532:tidegauge:/var/lib/tidegauge:/nonexistent' > "$root/etc/passwd"
echo 'tidegauge:x:65532:' > "$root/etc/group"
# How names are looked up; what a container engine adds is in these two places.
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
chmod 0750 "$root/var/lib/tidegauge"
if [ "$(id -u)" = 0 ]; then
  chown 65532:65532 "$root/var/lib/tidegauge"
fi
