use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// A loopback address whose standard ports nobody uses. Several test processes look for one at the same time, so each
/// begins elsewhere.
pub(super) fn free_address() -> Ipv4Addr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let mixed = std::process::id().wrapping_mul(2_654_435_761)
            ^ TAKEN.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x0101_0107);
        let [_, a, b, c] = mixed.to_be_bytes();
        // 127.0 is left to those who want the usual address.
        let address = Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254));
        if [88, 389, 636].into_iter().all(|port| TcpListener::bind((address, port)).is_ok()) {
            return address;
        }
    }
}
