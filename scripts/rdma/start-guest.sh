#!/bin/busybox sh
# The guest's first program. Its root is the host's, which it cannot change: what it writes stays in its memory. Adds an RDMA
# device, runs the checks, and ends the machine. `/job` is a directory of the host with the order, and for the result.
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
$busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  $busybox insmod "$module" || echo "guest: cannot load $module"
done

share() { $busybox mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2"; }
share root /below cache=loose,ro
$busybox mount -t tmpfs above /above
$busybox mkdir /above/changed /above/work
$busybox mount -t overlay -o lowerdir=/below,upperdir=/above/changed,workdir=/above/work root /root
for directory in proc sys dev; do $busybox mount -o move /$directory /root/$directory; done
$busybox mkdir -p /root/job /root/dev/pts /root/dev/shm
$busybox mount -t devpts pts /root/dev/pts
# More than half of the memory: an arena of that size is tested.
$busybox mount -t tmpfs -o mode=1777,size=90% shm /root/dev/shm
share job /root/job cache=none

. /root/job/environment
in_root() { $busybox chroot /root /usr/bin/env PATH="$path" "$@"; }
in_root ip link set lo up
in_root ip link add eth0 type dummy
in_root ip addr add "$address/24" dev eth0
# Large enough for the device's largest packets, of 4096 bytes.
in_root ip link set eth0 mtu 4200 up
in_root rdma link add rxe0 type rxe netdev eth0
echo "up after $($busybox cut -d' ' -f1 /root/proc/uptime) s"
in_root "$node" "$checkout/dist/test/rdma/guest.js"
$busybox umount /root/job
echo o >/root/proc/sysrq-trigger
# The machine ends before this does.
$busybox sleep 60
