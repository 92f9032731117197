//! Through which addresses a container's published ports are reached.
//!
//! Read from files below a root, so that a test can hand in a machine that it made up.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// What Docker and Podman leave in the containers that they run.
const MARKS: [&str; 2] = [".dockerenv", "run/.containerenv"];
/// A route leads over a gateway (`RTF_GATEWAY`).
const OVER_GATEWAY: u32 = 2;

/// The default gateways of the container that this process runs in; none outside of one. Who comes
/// by a published port from the container's host comes from there.
pub fn container_gateways(root: &Path) -> Vec<IpAddr> {
    if !MARKS.iter().any(|mark| root.join(mark).exists()) {
        return Vec::new();
    }
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (four, six) = (read("proc/net/route"), read("proc/net/ipv6_route"));
    let four = four.lines().filter_map(over_ipv4).map(IpAddr::from);
    let six = six.lines().filter_map(over_ipv6).map(IpAddr::from);
    let mut gateways: Vec<IpAddr> = four.chain(six).collect();
    gateways.sort_unstable();
    gateways.dedup();
    gateways
}

/// Interface, destination, gateway, flags and more; addresses as the kernel has them in memory.
fn over_ipv4(line: &str) -> Option<Ipv4Addr> {
    let mut fields = line.split_whitespace().skip(1);
    let mut number = || u32::from_str_radix(fields.next()?, 16).ok();
    let (destination, gateway, flags) = (number()?, number()?, number()?);
    let leads = destination == 0 && flags & OVER_GATEWAY != 0;
    leads.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
}

/// Destination and its prefix, source and its prefix, gateway, three counters, flags, interface.
fn over_ipv6(line: &str) -> Option<Ipv6Addr> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [destination, prefix, _, _, gateway, _, _, _, flags, ..] = fields[..] else {
        return None;
    };
    let address = |text: &str| u128::from_str_radix(text, 16).ok();
    let is_default = address(destination)? == 0 && prefix == "00";
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let leads = is_default && flags & OVER_GATEWAY != 0;
    leads.then(|| address(gateway).map(Ipv6Addr::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";
    const ROUTES_V6: &str = "\
        fd000000000000000000000000000000 40 \
        00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n\
        00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00 \
        fd000000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
        00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00 \
        00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n\
        ";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_container_knows_its_gateways_and_a_machine_has_none() {
        let root = std::env::temp_dir().join(format!("thalweg-gateway-{}", std::process::id()));
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        put("proc/net/route", ROUTES);
        put("proc/net/ipv6_route", ROUTES_V6);

        let machine = container_gateways(&root);
        put(".dockerenv", "");
        let docker = container_gateways(&root);
        fs::remove_file(root.join(".dockerenv")).expect("ours");
        put("run/.containerenv", "");
        put("proc/net/ipv6_route", "not a route\n");
        let podman = container_gateways(&root);

        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(machine.is_empty(), "{machine:?}");
        assert_eq!(docker, [address("172.17.0.1"), address("fd00::1")]);
        assert_eq!(podman, [address("172.17.0.1")]);
        fs::remove_dir_all(&root).expect("ours");
    }
}
