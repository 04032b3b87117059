"""Networks of their own for the door and the family, and a router between them to break.

    door 10.77.1.2 ──── router ──── page 10.77.2.2
                      10.77.3.1: what both can reach (signaling server, TURN)

    with Network() as network:
        network.door.run("ip", "address")        # a command in there, its output
        [*network.page.prefix, "chromium"]       # a command line that runs in there
        network.drop(DIRECT_UDP)                 # a rule of nftables' on the router
        network.reset("tcp dport 443")           # the same, refused out loud
        network.cut("door")                      # the router drops the door's packets, silently
        network.restore("door")
        network.unplug("door")                   # its link goes down, and its address away
        network.plug_in("door")
        network.change_address("door")           # another address of the same network
        network.lose(20)                         # each fifth of the door's packets, both ways
        network.delay(0.3)                       # of the door's packets, each way
        network.narrow(500)                      # to so many kbit/s, each way
        network.masquerade()                     # the door is behind a NAT
        network.rebind()                         # which forgets what it knew of the door
        network.clear()                          # none of these, and nobody cut off

Every namespace lives as long as a process of ours whose standard input is a pipe from this one. So
all of it goes with `close`, and also if the tests are killed. The machine's own network is not
touched: the links are made inside the namespaces. Needs root.
"""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address
from typing import Literal, Self, TypeAlias

Host: TypeAlias = Literal["door", "page"]

SERVER = "10.77.3.1"
"""The router's address for servers."""
NAME = "server.test"
"""Its name, at a name server that knows it."""
DEAD = "10.77.9.9"
"""An address whose packets vanish."""
DIRECT_UDP = "iifname { door, page } oifname { door, page } meta l4proto udp"
"""Matches what the two send each other by UDP."""

_ROUTER_SETTINGS = (
    "net.ipv4.ip_forward=1",
    "net.ipv4.ip_early_demux=0",  # else some packets pass by the routing rules
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
)

# Ports are mapped at random, so that a mapping made anew is another one.
_NAT = """
table inet nat {
  chain out {
    type nat hook postrouting priority 100;
    iifname door oifname page masquerade random;
  }
  chain back {
    type filter hook forward priority 0;
    iifname page oifname door ct state new drop;
  }
}
"""

_SLOW = "slow"
"""The router's device that holds packets back, and the number of the routing table to it."""
_SLOW_TABLE = "77"
_BY_WAY_OF_SLOW = ("iif door", "iif page to 10.77.1.0/24", "iif lo to 10.77.1.0/24")
"""What the routing rules match of the door's packets, before they were held back."""
_BOTTLENECK = ("burst", "8kb", "latency", "300ms")

_LINK = "eth0"
"""The one interface of door and page. The router's are named after who is at the other end."""
_SUBNETS: dict[Host, str] = {"door": "10.77.1", "page": "10.77.2"}

# The rules stand in one chain, whichever way a packet takes: through the router, to it, or from it.
# Where packets are lost by the wire, at its other end, nobody who sends can tell.
_TABLE = """
table inet faults {
  chain wire { type filter hook prerouting priority 0; }
  set cut { type ifname; }
  chain faults { }
  chain any { iifname @cut drop; oifname @cut drop; jump faults; }
  chain forward { type filter hook forward priority 0; jump any; }
  chain input { type filter hook input priority 0; jump any; }
  chain output { type filter hook output priority 0; jump any; }
}
"""


class Namespace:
    """A network namespace: interfaces, addresses, routes and filters of its own."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self.pid = self._holder.pid
        self.prefix = ("nsenter", f"--net=/proc/{self.pid}/ns/net")
        """What a command line begins with to run in here."""
        self.run("ip", "link", "set", "lo", "up")
        # A link's address of IPv6 comes into force a second after the link, at which Chromium gives
        # up whatever it is loading.
        self.run("sysctl", "-qew", "net.ipv6.conf.default.disable_ipv6=1")

    def run(self, *command: str, stdin: str = "") -> str:
        """The output of a command that runs in here; one that fails raises with what it said."""
        done = subprocess.run(
            [*self.prefix, *command],
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
        return done.stdout

    def close(self) -> None:
        """Lets it go; its last process takes it along."""
        self._holder.communicate()


class Network:
    """Door, page and router, joined."""

    def __init__(self) -> None:
        self.door, self.page, self.router = Namespace(), Namespace(), Namespace()
        self._addresses = {host: IPv4Address(f"{net}.2") for host, net in _SUBNETS.items()}
        self._delayer: subprocess.Popen[bytes] | None = None
        for setting in _ROUTER_SETTINGS:
            self.router.run("sysctl", "-qw", setting)
        # The rules of `delay` come before the table of the router's own addresses. ARP is answered
        # for what that table says alone, and must not be held back.
        self.router.run("ip", "rule", "add", "priority", "2", "lookup", "local")
        self.router.run("ip", "rule", "del", "priority", "0")
        gateway = f"{_SUBNETS['door']}.1"
        self.router.run("ip", "rule", "add", "priority", "0", "to", gateway, "lookup", "local")
        self.router.run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        self.router.run("ip", "route", "add", "blackhole", f"{DEAD}/32")
        for namespace in (self.router, self.door):
            namespace.run("nft", "-f", "-", stdin=_TABLE)
        for host in _SUBNETS:
            self._join(host)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes everything down; what still runs in there keeps its own namespace alone."""
        self._stop_delay()
        for namespace in (self.door, self.page, self.router):
            namespace.close()

    def address(self, host: Host) -> str:
        """The address that it has, or had last."""
        return str(self._addresses[host])

    def drop(self, match: str) -> None:
        """The router drops the packets that match, of those through it, to it and from it."""
        self._rule(match, "drop")

    def reset(self, match: str) -> None:
        """The router ends the TCP connections whose packets match."""
        self._rule(match, "reject with tcp reset")

    def cut(self, host: Host) -> None:
        """The router drops all of its packets, both ways. It cannot see that, save by silence."""
        self.router.run("nft", "add", "element", "inet", "faults", "cut", f"{{ {host} }}")

    def restore(self, host: Host) -> None:
        """Undoes `cut`."""
        self.router.run("nft", "delete", "element", "inet", "faults", "cut", f"{{ {host} }}")

    def lose(self, percent: int) -> None:
        """So many of the door's packets get lost on its wire, at random, each way."""
        for namespace, link in ((self.router, "door"), (self.door, _LINK)):
            rule = ("iifname", link, "numgen", "random", "mod", "100", "<", str(percent), "drop")
            namespace.run("nft", "add", "rule", "inet", "faults", "wire", *rule)

    def narrow(self, kbit: int) -> None:
        """The router passes on no more than so many kbit/s, each way; 300 ms of it wait there."""
        for host in _SUBNETS:
            limit = ("tbf", "rate", f"{kbit}kbit", *_BOTTLENECK)
            self.router.run("tc", "qdisc", "add", "dev", host, "root", *limit)

    def delay(self, seconds: float) -> None:
        """The router holds the door's packets back for so long, each way."""
        command = (sys.executable, "-m", "tests.e2e.delay", _SLOW, str(seconds))
        self._delayer = subprocess.Popen([*self.router.prefix, *command], stdout=subprocess.PIPE)
        assert self._delayer.stdout is not None
        self._delayer.stdout.readline()
        self.router.run("ip", "link", "set", _SLOW, "up")
        # It sends the router its own packets.
        self.router.run("sysctl", "-qw", f"net.ipv4.conf.{_SLOW}.accept_local=1")
        self.router.run("ip", "route", "add", "default", "dev", _SLOW, "table", _SLOW_TABLE)
        for match in _BY_WAY_OF_SLOW:
            rule = ("ip", "rule", "add", "priority", "1", *match.split(), "lookup", _SLOW_TABLE)
            self.router.run(*rule)

    def masquerade(self) -> None:
        """The router gives the door's packets its own address; back go only answers to them."""
        self.router.run("nft", "-f", "-", stdin=_NAT)

    def rebind(self) -> None:
        """The router forgets all its mappings: the door's packets come from other ports then."""
        self.router.run("conntrack", "--flush")

    def clear(self) -> None:
        """Undoes `drop`, `reset`, `cut`, `lose`, `narrow`, `delay` and `masquerade`."""
        # To be deleted it has to be there.
        self.router.run("nft", "-f", "-", stdin="table inet nat\ndelete table inet nat\n")
        self.router.run("nft", "flush", "chain", "inet", "faults", "faults")
        for namespace in (self.router, self.door):
            namespace.run("nft", "flush", "chain", "inet", "faults", "wire")
        self.router.run("nft", "flush", "set", "inet", "faults", "cut")
        for host in _SUBNETS:
            self.router.run("tc", "qdisc", "replace", "dev", host, "root", "noqueue")
        self._stop_delay()

    def _stop_delay(self) -> None:
        if self._delayer is None:
            return
        for _ in _BY_WAY_OF_SLOW:
            self.router.run("ip", "rule", "del", "priority", "1")
        self._delayer.kill()  # its device goes with it, and what it held back
        self._delayer.communicate()
        self._delayer = None

    def unplug(self, host: Host) -> None:
        """Its link goes down and its address away, as with a Wi-Fi that is lost."""
        namespace = self._namespace(host)
        namespace.run("ip", "address", "flush", "dev", _LINK)
        namespace.run("ip", "link", "set", _LINK, "down")

    def plug_in(self, host: Host) -> None:
        """Undoes `unplug`, with the same address."""
        namespace = self._namespace(host)
        namespace.run("ip", "link", "set", _LINK, "up")
        namespace.run("ip", "address", "add", f"{self.address(host)}/24", "dev", _LINK)
        namespace.run("ip", "route", "replace", "default", "via", f"{_SUBNETS[host]}.1")

    def change_address(self, host: Host) -> str:
        """Takes its address away and gives it another, which is returned."""
        self._namespace(host).run("ip", "address", "flush", "dev", _LINK)
        self._addresses[host] += 1
        self.plug_in(host)
        return self.address(host)

    def _rule(self, match: str, verdict: str) -> None:
        chain = ("inet", "faults", "faults")
        self.router.run("nft", "add", "rule", *chain, *match.split(), *verdict.split())

    def _namespace(self, host: Host) -> Namespace:
        return self.door if host == "door" else self.page

    def _join(self, host: Host) -> None:
        namespace = self._namespace(host)
        pair = ("type", "veth", "peer", "name", _LINK, "netns", str(namespace.pid))
        self.router.run("ip", "link", "add", host, *pair)
        self.router.run("ip", "address", "add", f"{_SUBNETS[host]}.1/24", "dev", host)
        self.router.run("ip", "link", "set", host, "up")
        self.plug_in(host)
