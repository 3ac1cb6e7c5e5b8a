#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
[ "$1" = bound ] && { ip addr add "$ip/${mask:-24}" dev "$interface"; ip route add default via $router; }
exit 0
