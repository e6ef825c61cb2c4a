#!/bin/busybox sh
# The guest's first program. Makes the host's root file system its own, without ever changing it, adds an RDMA device, and runs
# the checks. `/job` is a directory of the host: orders and results.
busybox=/bin/busybox
for name in proc sysfs devtmpfs; do
  case $name in proc) at=/proc ;; sysfs) at=/sys ;; devtmpfs) at=/dev ;; esac
  $busybox mount -t $name $name $at
done
for module in /modules/*.ko; do
  $busybox insmod "$module" || echo "guest: cannot load $module"
done

share() { $busybox mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2"; }
share root /below cache=loose,ro
# What the guest writes stays in its memory.
$busybox mount -t tmpfs -o mode=755 above /above
$busybox mkdir /above/changed /above/work
$busybox mount -t overlay -o lowerdir=/below,upperdir=/above/changed,workdir=/above/work root /root
for at in proc sys dev; do $busybox mount -o move /$at /root/$at; done
$busybox mkdir -p /root/job /root/dev/shm /root/dev/pts
$busybox mount -t devpts devpts /root/dev/pts
# More than half of the memory: an arena of that size is tested.
$busybox mount -t tmpfs -o mode=1777,size=90% shm /root/dev/shm
share job /root/job cache=none

. /root/job/environment
in_root() { $busybox chroot /root /usr/bin/env PATH="$path" "$@"; }
in_root ip link set lo up
in_root ip link add eth0 type dummy
in_root ip addr add "$address/24" dev eth0
# The device's largest packets, 4096 bytes, fit into it.
in_root ip link set eth0 mtu 4200 up
in_root rdma link add rxe0 type rxe netdev eth0
echo "guest: up after $($busybox cut -d' ' -f1 /proc/uptime 2>/dev/null || $busybox cut -d' ' -f1 /root/proc/uptime) s"
in_root "$node" "$checkout/dist/test/rdma/guest.js"
in_root dmesg >/root/job/kernel.log
$busybox umount /root/job
echo o >/root/proc/sysrq-trigger
$busybox sleep 60
