//! The documentation's commands, as an administrator types them.

use std::{env, fs, path::Path, process::Command};

use crate::service::Home;

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

#[test]
fn every_command_of_the_api_page_works_as_printed() {
    let home = Home::new("http://127.0.0.1:1/PowerShell/", "");
    let service = home.serve();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let mut script = commands(&fs::read_to_string(page).unwrap());
    for (printed, here) in [
        ("http://127.0.0.1:8780", service.url.as_str()),
        ("/var/lib/exconn", home.path("data").to_str().unwrap()),
    ] {
        assert_eq!(script.matches(printed).count(), 1, "{printed}\n{script}");
        script = script.replace(printed, here);
    }
    assert!(script.matches("curl ").count() >= 9, "{script}");
    // An answer that is an error ends curl, and so the script.
    fs::write(home.path(".curlrc"), "fail-with-body\nshow-error\n").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_exconn")).parent().unwrap();
    let path = env::join_paths(
        [program.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .env("CURL_HOME", home.path(""))
        .env("PATH", path.unwrap())
        .env_remove("EXCONN_TOKEN")
        .output()
        .unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{failed}");
    assert_eq!(said.matches(r#""status":200"#).count(), 2, "both requests of the batch: {said}");
    assert!(said.contains("\"@odata.count\"") && said.contains("ex03.contoso.com"), "{said}");
}
