//! Configuration mistakes, each with an error that says what, where and what instead.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

fn check(file: &str, environment: &[(&str, &str)]) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("exconn.toml");
    let password = folder.path().join("password");
    fs::write(&password, "s3cret\n").unwrap();
    fs::write(&path, file.replace("PASSWORD_FILE", password.to_str().unwrap())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_exconn"));
    command.args(["config", "check", "--config"]).arg(&path).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const EXCHANGE: &str = "[[exchange]]\nname = \"contoso\"\n[exchange.remoting]\nurl = \"http://127.0.0.1/PowerShell/\"\n\
    authentication = \"basic\"\nusername = \"svc\"\npassword_file = \"PASSWORD_FILE\"\n";
/// A connection to Exchange Online.
const ONLINE: &str = "[[exchange]]\nname = \"online\"\ntype = \"serviceToService\"\n[exchange.online]\n\
    tenant_id = \"8E0A9B4E-4f0c-4d0e-9b7e-0c5c4a3b2a19\"\nclient_id = \"3d3c9a52-2f8e-4f57-9d6c-6f3f5a1f8f10\"\n\
    client_secret_file = \"PASSWORD_FILE\"\n";

#[test]
fn a_good_configuration_is_printed_without_secrets() {
    let file = format!(
        "listen = \"127.0.0.1:0\"\n[cors]\norigins = []\n{EXCHANGE}[exchange.guard]\nmax_loss_percent = 5\n"
    );
    let (code, printed, said) = check(
        &file,
        &[
            ("EXCONN_EXCHANGE_0_SERVER", "ex09"),
            ("EXCONN_PUBLIC_URL", "https://x.y"),
            ("EXCONN_TRUSTED_PROXIES", "10.0.0.5, ::1"),
        ],
    );
    assert_eq!(code, 0, "{said}");
    for expected in [
        "name = \"contoso\"",
        "server = \"ex09\"",
        "https://x.y",
        "max_loss_percent = 5",
        "trusted_proxies = [\"10.0.0.5/32\", \"::1/128\"]",
        "[cors]\norigins = []",
        "delta_interval = \"60s\"",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert!(!printed.contains("s3cret"));
}

#[test]
fn issuers_are_read_from_file_and_environment() {
    let file = "[[auth.issuers]]\nissuer = \"https://a.example/1/v2.0\"\naudience = [\"x\", \"y\"]\ntid = \"1\"\n\
        [audit]\nkeep = 2000\n";
    let environment = [
        ("EXCONN_AUTH_ISSUERS_1_ISSUER", "https://b.example"),
        ("EXCONN_AUTH_ISSUERS_1_AUDIENCE", "v, w"),
        ("EXCONN_AUTH_ISSUERS_1_TENANT", "E11C1DE8-1DE8-4E1C-A81D-1CE1E81D1CE1"),
    ];
    let (code, printed, said) = check(file, &environment);
    assert_eq!(code, 0, "{said}");
    for expected in [
        "issuer = \"https://a.example/1/v2.0\"\naudience = [\"x\", \"y\"]\ntid = \"1\"",
        "issuer = \"https://b.example\"\naudience = [\"v\", \"w\"]",
        "tenant = \"e11c1de8-1de8-4e1c-a81d-1ce1e81d1ce1\"",
        "keep = 2000",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn mistakes_are_named_with_their_place_and_their_cure() {
    for (file, says) in [
        ("lisen = \"127.0.0.1:1\"", &["exconn.toml:1", "'lisen'", "did you mean 'listen'"][..]),
        ("listen = \"nowhere\"", &["exconn.toml:1", "'listen'", "127.0.0.1:8780"]),
        ("listen = 5", &["'listen'", "an address"]),
        ("\n\nlisten = ", &["exconn.toml:3"]),
        ("[auth]\nmode = \"open\"", &["auth.mode", "builtin, none"]),
        ("database = \"postgres://x\"", &["database", "SQLite"]),
        ("[[auth.issuers]]\nissuer = \"https://x\"", &["auth.issuers.0.audience", "missing"]),
        ("[[auth.issuers]]\naudience = \"a\"", &["auth.issuers.0.issuer", "missing"]),
        ("[[auth.issuers]]\naudience = [1]", &["auth.issuers.0.audience", "a list of texts"]),
        ("[[auth.issuers]]\nissuer = \"http://x.example\"\naudience = \"a\"", &["https"]),
        (
            "[[auth.issuers]]\nissuer = \"https://x\"\naudience = \"a\"\ntenant = \"b\"",
            &["auth.issuers.0.tenant"],
        ),
        (
            "[auth]\nmode = \"none\"\n[[auth.issuers]]\nissuer = \"https://x\"\naudience = \"a\"",
            &["auth.mode", "auth.issuers"],
        ),
        ("[audit]\nkeep = 5", &["audit.keep", "at least 1000"]),
        ("[tls]\ncert = \"x\"", &["tls.cert", "tls.key"]),
        (
            "[cors]\norigins = [\"https://x/\"]",
            &["exconn.toml:2", "cors.origins", "https://portal.contoso.com"],
        ),
        (
            "trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]",
            &["exconn.toml:1", "'trusted_proxies' cannot be 'proxy'", "10.0.0.0/8"],
        ),
        ("[cors]\norigins = [5]", &["exconn.toml:2", "cors.origins", "a list of texts"]),
        ("[[exchange]]\nserver = \"x\"", &["exchange.0.name", "missing"]),
        ("[[exchange]]\nname = \"a\"", &["exchange.0.remoting.url", "missing"]),
        (
            "[[exchange]]\nname = \"a\"\ntype = \"serviceToService\"",
            &["exchange.0.online.client_secret_file", "exchange.0.online.certificate_file"],
        ),
        (
            "[[exchange]]\nname = \"a\"\ntype = \"serviceToService\"\n[exchange.remoting]\nusername = \"x\"",
            &["exconn.toml:5", "exchange.0.remoting.username", "does not belong here"],
        ),
        ("[[exchange]]\nname = \"a\"\nread_only = \"yes\"", &["exchange.0.read_only", "true or false"]),
        (
            "[[exchange]]\nname = \"a\"\n[exchange.remoting]\nurl = []\nusername = \"x\"",
            &["exchange.0.remoting.url", "missing"],
        ),
        ("[[exchange]]\nname = \"a\"\ntype = \"cloud\"", &["exchange.0.type", "onPremises"]),
        ("[[exchange]]\nname = \"a\"\ndelta_interval = \"1s\"", &["exchange.0.remoting.url"]),
        (
            "[[exchange]]\nname = \"a\"\n[exchange.directory]\nfeed = \"usn\"",
            &["exchange.0.remoting.url", "missing"],
        ),
        (
            "[[exchange]]\nname = \"a\"\n[exchange.online]\ntenant_id = \"x\"",
            &["exchange.0.online.tenant_id", "does not belong here", "only serviceToService"],
        ),
        (
            "[[exchange]]\nname = \"a\"\n[exchange.remoting]\nurll = \"x\"",
            &["exchange.0.remoting.urll", "exchange.*.remoting.url"],
        ),
    ] {
        let (code, _, said) = check(file, &[]);
        assert_eq!(code, 1, "{file}: {said}");
        for expected in says {
            assert!(said.contains(expected), "{file}: wanted {expected}: {said}");
        }
    }
}

#[test]
fn every_road_is_printed_as_it_comes_out() {
    let directory = "[exchange.directory]\nurl = [\"ldaps://dc1.contoso.com\", \"ldaps://dc2.contoso.com\"]\nfeed = \"usn\"\n\
        [exchange.statistics]\nper_hour = 0\nmax_concurrency = 3\n";
    let premises = EXCHANGE
        .replace("\"http://127.0.0.1/PowerShell/\"", "[\"http://a/PowerShell/\", \"http://b/PowerShell/\"]");
    let premises =
        premises.replace("authentication = \"basic\"\nusername = \"svc\"", "username = \"svc@CONTOSO.COM\"");
    let (code, printed, said) = check(&format!("{premises}{directory}{ONLINE}"), &[]);
    assert_eq!(code, 0, "{said}");
    for expected in [
        "read_only = true",
        "url = [\"http://a/PowerShell/\", \"http://b/PowerShell/\"]\nauthentication = \"kerberos\"",
        "idle_session = \"300s\"",
        "url = [\"ldaps://dc1.contoso.com\", \"ldaps://dc2.contoso.com\"]\nauthentication = \"simple\"\nusername = \"svc@CONTOSO.COM\"",
        "feed = \"usn\"",
        "per_hour = 0\nstale_after = \"86400s\"\nmax_concurrency = 3",
        "tenant_id = \"8e0a9b4e-4f0c-4d0e-9b7e-0c5c4a3b2a19\"",
        "cloud = \"worldwide\"",
        "max_concurrency = 2",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn mistakes_of_a_connection_are_found_before_anything_starts() {
    for (from, to, says) in [
        ("http://127.0.0.1/PowerShell/", "ftp://127.0.0.1/", "is not an address"),
        ("http://127.0.0.1/PowerShell/", "http://ex01.contoso.com/PowerShell/", "clear text"),
        ("PASSWORD_FILE", "/nonexistent/password", "/nonexistent/password"),
        ("username = \"svc\"", "username = \"a:b\"", "user name"),
        ("authentication = \"basic\"", "", "realm"),
        (
            "authentication = \"basic\"",
            "authentication = \"digest\"",
            "one of kerberos, negotiate, ntlm, basic",
        ),
        ("username = \"svc\"", "username = \"svc\"\nkdcs = [\"a b\"]", "a b"),
        (
            "[exchange.remoting]",
            "[exchange.directory]\nurl = \"ldap://dc1\"\n[exchange.remoting]",
            "clear text",
        ),
        (
            "[exchange.remoting]",
            "[exchange.directory]\nurl = \"http://dc1\"\n[exchange.remoting]",
            "ldaps://",
        ),
        ("username = \"svc\"", "username = \"svc\"\noperation_timeout = \"0s\"", "operation_timeout"),
        ("name = \"contoso\"", "name = \"contoso\"\nfull_interval = \"5s\"", "full_interval"),
    ] {
        let (code, _, said) = check(&EXCHANGE.replace(from, to), &[]);
        assert_eq!(code, 1, "{to}: {said}");
        assert!(said.to_lowercase().contains(&says.to_lowercase()), "{to}: {said}");
    }
    for (from, to, says) in [
        ("8E0A9B4E", "tenant", "online.tenant_id"),
        ("PASSWORD_FILE", "/nonexistent/secret", "/nonexistent/secret"),
        ("[exchange.online]", "[exchange.online]\nbase_url = \"http://outlook.example\"", "outlook.example"),
        ("[exchange.online]", "[exchange.online]\ncertificate_file = \"x\"", "not both"),
        ("[exchange.online]", "[exchange.online]\ncloud = \"mars\"", "usGovernment"),
    ] {
        let (code, _, said) = check(&ONLINE.replace(from, to), &[]);
        assert_eq!(code, 1, "{to}: {said}");
        assert!(said.contains(says), "{to}: {said}");
    }
    let (code, _, said) = check(&format!("{EXCHANGE}{EXCHANGE}"), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("'contoso'"), "{said}");
}

#[test]
fn the_schema_that_is_committed_is_the_one_that_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_exconn")).args(["config", "schema"]).output().unwrap();
    let committed = exconn_testkit::repository_root().join("docs/config.schema.json");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), fs::read_to_string(committed).unwrap());
}

/// The keys of a schema, with dots between; the entries of a list have no number.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let schema = schema.get("items").filter(|items| items.get("properties").is_some()).unwrap_or(schema);
    match schema.get("properties").and_then(Value::as_object) {
        None => {
            found.insert(path.to_owned());
        }
        Some(properties) => {
            for (name, inner) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                keys(inner, &path, found);
            }
        }
    }
}

#[test]
fn the_page_about_configuration_names_every_key_and_no_other() {
    let root = exconn_testkit::repository_root();
    let schema = fs::read_to_string(root.join("docs/config.schema.json")).unwrap();
    let mut known = BTreeSet::new();
    keys(&serde_json::from_str(&schema).unwrap(), "", &mut known);
    let page = fs::read_to_string(root.join("docs/configure.md")).unwrap();
    let mut named = BTreeSet::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cell = row.split(" |").next().unwrap();
        let names: Vec<_> = cell.split(", ").map(|name| name.trim_matches('`')).collect();
        // The others of a row lie beside the first.
        let folder = names[0].rsplit_once('.').map_or(String::new(), |(folder, _)| format!("{folder}."));
        named.insert(names[0].to_owned());
        let beside =
            |name: &&str| if name.contains('.') { (*name).to_owned() } else { format!("{folder}{name}") };
        named.extend(names[1..].iter().map(beside));
    }
    let missing: Vec<_> = known.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}; unknown: {unknown:?}");
}
