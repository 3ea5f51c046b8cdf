//! What the simulated people and their devices are called.

/// A kind of device that people read their mail on.
pub(crate) struct Kind {
    pub(crate) device_type: &'static str,
    pub(crate) model: &'static str,
    pub(crate) system: &'static str,
    pub(crate) user_agent: &'static str,
    pub(crate) client_type: &'static str,
    pub(crate) client_version: &'static str,
    /// Whether it reports an IMEI.
    pub(crate) imei: bool,
}

const fn eas(
    device_type: &'static str,
    model: &'static str,
    system: &'static str,
    user_agent: &'static str,
    imei: bool,
) -> Kind {
    Kind { device_type, model, system, user_agent, client_type: "EAS", client_version: "16.1", imei }
}

pub(crate) const KINDS: [Kind; 10] = [
    eas("iPhone", "iPhone15C2", "iOS 18.1.1 22B91", "Apple-iPhone15C2/2202.91", false),
    eas("iPhone", "iPhone13C4", "iOS 17.7.1 21H216", "Apple-iPhone13C4/2108.216", false),
    eas("iPad", "iPad14C1", "iPadOS 18.1 22B83", "Apple-iPad14C1/2202.83", false),
    eas("SamsungDevice", "SM-S928B", "Android 14", "SAMSUNG-SM-S928B/101.140000", true),
    eas("SamsungDevice", "SM-A556B", "Android 15", "SAMSUNG-SM-A556B/101.150000", true),
    eas("Android", "Pixel 9", "Android 15", "Android-Mail/2024.10.27", true),
    eas("Android", "motorola edge 50", "Android 14", "Android-Mail/2024.06.02", true),
    eas("WindowsMail", "Latitude 7450", "Windows 10.0.22631", "MSFT-WIN-4/10.0.22631", false),
    Kind {
        device_type: "Outlook",
        model: "Outlook for iOS and Android",
        system: "iOS 18.1",
        user_agent: "Outlook-iOS-Android/1.0",
        client_type: "REST",
        client_version: "1.0",
        imei: false,
    },
    eas("BlackBerry", "BB-KEY2", "Android 8.1.0", "BlackBerry-Hub/2.2", true),
];

pub(crate) const GIVEN: [&str; 16] = [
    "Aiko",
    "Bjørn",
    "Chidi",
    "Dalia",
    "Émile",
    "Fatma",
    "Gwen",
    "Hüseyin",
    "Ines",
    "Jürgen",
    "Katarzyna",
    "Liam",
    "Мария",
    "Noor",
    "Óscar",
    "王芳",
];

pub(crate) const FAMILY: [&str; 16] = [
    "Andersson",
    "Brønsted",
    "Castillo",
    "D'Angelo",
    "Eze",
    "Fischer",
    "Gómez",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Petrov",
];

pub(crate) const CARRIERS: [Option<&str>; 5] =
    [Some("Telekom"), Some("Orange"), Some("AT&T"), Some("KDDI"), None];
pub(crate) const LANGUAGES: [&str; 6] = ["de", "en", "fr", "ja", "pl", "es"];
