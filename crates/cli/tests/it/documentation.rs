//! The documentation's commands, as an administrator types them.

use std::{env, fs, path::Path, process::Command};

use exconn_testkit::repository_root;

use crate::{program::output_of, service::Home};

/// The page's indented blocks that are commands, in its order.
fn commands(page: &str) -> String {
    let mut commands = String::new();
    let mut is_command = false;
    let mut before = "";
    for line in page.lines() {
        if let Some(text) = line.strip_prefix("    ") {
            if before.is_empty() {
                is_command = ["export ", "curl ", "ID="].iter().any(|start| text.starts_with(start));
            }
            if is_command {
                commands.push_str(text);
                commands.push('\n');
            }
        }
        before = line;
    }
    commands
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md")).unwrap()
}

#[test]
fn every_filter_of_the_api_page_is_understood() {
    let home = Home::new("http://127.0.0.1:1/PowerShell/", "");
    let service = home.serve();
    let page = page();
    let (_, filters) = page.split_once("### Filters\n").unwrap();
    let filters: Vec<_> =
        filters.trim_start_matches('\n').lines().map_while(|line| line.strip_prefix("    ")).collect();
    assert!(filters.len() >= 4, "{filters:?}");
    for line in filters {
        let (filter, alias) = line.split_once("      with ").unwrap_or((line, "$top=1"));
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "-G", "-H"]);
        command.arg(format!("Authorization: Bearer {}", service.token));
        command.args(["--data-urlencode", &format!("$filter={filter}"), "--data-urlencode", alias]);
        command.arg(format!("{}/v1.0/deviceManagement/managedDevices", service.url));
        let said = output_of(&mut command);
        assert!(said.contains("\"value\":[]"), "{filter}: {said}");
    }
}

#[test]
fn every_command_of_the_api_page_works_as_printed() {
    let home = Home::new("http://127.0.0.1:1/PowerShell/", "");
    let service = home.serve();
    let mut script = commands(&page());
    for (printed, times, here) in [
        ("http://127.0.0.1:8780", 1, service.url.as_str()),
        ("/var/lib/exconn", 2, home.path("data").to_str().unwrap()),
    ] {
        assert_eq!(script.matches(printed).count(), times, "{printed}\n{script}");
        script = script.replace(printed, here);
    }
    assert!(script.matches("curl ").count() >= 9, "{script}");
    // An answer that is an error ends curl, and so the script.
    fs::write(home.path(".curlrc"), "fail-with-body\nshow-error\n").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_exconn")).parent().unwrap();
    let path = env::join_paths(
        [program.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &script]).env("CURL_HOME", home.path("")).env("PATH", path.unwrap());
    let said = output_of(shell.env_remove("EXCONN_TOKEN"));
    assert_eq!(said.matches(r#""status":200"#).count(), 2, "both requests of the batch: {said}");
    assert!(said.contains("\"@odata.count\"") && said.contains("ex03.contoso.com"), "{said}");
}

/// The blocks of a page that are configurations, and the commands that make a certificate.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(text) if is_open => blocks.last_mut().unwrap().push_str(&format!("{text}\n")),
            Some(text) => blocks.push(format!("{text}\n")),
            None if line.is_empty() && is_open => blocks.last_mut().unwrap().push('\n'),
            None => {}
        }
        is_open = line.starts_with("    ") || (line.is_empty() && is_open);
    }
    blocks
}

#[test]
fn every_configuration_of_the_pages_is_a_good_one_once_its_files_are_there() {
    let home = Home::new("http://127.0.0.1:1/PowerShell/", "");
    let folder = home.path("").to_str().unwrap().to_owned();
    let page = |name: &str| fs::read_to_string(repository_root().join("docs").join(name)).unwrap();
    // As the page about Exchange Online says; the machine of the test has no user of the name.
    let online = page("connect-exchange-online.md");
    let commands = blocks(&online).into_iter().find(|block| block.starts_with("openssl req")).unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap_or((&commands, ""));
    let commands = commands.replace("-o exconn ", "").replace("/etc/exconn/", &folder);
    fs::create_dir(home.path("elsewhere")).unwrap();
    output_of(Command::new("sh").args(["-eu", "-c", &commands]).current_dir(home.path("elsewhere")));
    // The service's certificate, of whatever issuer.
    let key = home.path("online.key");
    fs::copy(&key, home.path("exconn.key")).unwrap();
    for name in ["exconn.pem", "internal-ca.pem"] {
        fs::copy(home.path("online.pem"), home.path(name)).unwrap();
    }
    for name in ["contoso", "contoso.password", "contoso.secret"] {
        fs::write(home.path(name), "a secret").unwrap();
    }
    let mut found = 0;
    for name in ["install.md", "configure.md", "connect-exchange-online.md"] {
        for block in blocks(&page(name)).iter().filter(|block| block.contains("[[exchange]]")) {
            found += 1;
            let config = block
                .replace("/var/lib/exconn", home.path("data").to_str().unwrap())
                .replace("/etc/exconn/", &folder)
                .replace("/run/credentials/exconn.service/", &folder);
            fs::write(home.path("page.toml"), &config).unwrap();
            output_of(
                Command::new(env!("CARGO_BIN_EXE_exconn"))
                    .args(["config", "check", "--config"])
                    .arg(home.path("page.toml")),
            );
        }
    }
    assert_eq!(found, 3);
}
