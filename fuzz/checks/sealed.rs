//! Sealed answers, sealed messages, refusals and certificates from anyone: nothing panics, nothing is read beyond its bounds,
//! and nothing is believed that nobody sealed.

use exconn_exchange::remoting::untrusted;

const KINDS: [&str; 3] = [
    r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#,
    r#"multipart/encrypted;protocol="application/HTTP-Kerberos-session-encrypted";boundary="Encrypted Boundary""#,
    "application/soap+xml;charset=UTF-8",
];

pub(crate) fn check(data: &[u8]) {
    for (at, kind) in KINDS.iter().enumerate() {
        if let Some((length, token)) = untrusted::sealed_body(kind, data.to_vec()) {
            assert!(at < 2, "an answer in clear text");
            assert!(length <= 4 * 1024 * 1024 && token < data.len());
        }
    }
    // The type is the server's word too.
    if let Some((head, body)) =
        data.split_at_checked(data.iter().position(|byte| *byte == b'\n').unwrap_or(0))
    {
        let _ = untrusted::sealed_body(&String::from_utf8_lossy(head), body.to_vec());
    }
    assert_eq!(untrusted::kerberos_message(data.to_vec()), None, "nobody can have sealed it");
    untrusted::is_refusal(data);
    untrusted::is_bindable(data);
}
