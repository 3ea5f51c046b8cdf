//! The conformance table: every rule in it names a test that there is.

use std::{collections::BTreeSet, fs, path::Path};

/// Sections of the wire contract that the table covers.
const SECTIONS: [&str; 10] = ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];

#[test]
fn every_rule_of_the_table_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut sections = BTreeSet::new();
    let mut rules = 0;
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        // A bar within a cell is written `\|`.
        let line = line.replace("\\|", "\u{a6}");
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, rule, answer, tests] = cells.as_slice() else { panic!("not four cells: {line}") };
        if *number == "rule" || number.starts_with('-') {
            continue;
        }
        assert!(!rule.is_empty() && !answer.is_empty(), "{line}");
        sections.insert(number.split('.').next().unwrap().to_owned());
        rules += 1;
        let mut named = 0;
        for test in tests.split('`').skip(1).step_by(2) {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("no file::test: {line}"));
            let (krate, file) = file.split_once('/').unwrap_or_else(|| panic!("no crate/file: {line}"));
            let place = if file.starts_with("src/") { file.to_owned() } else { format!("tests/{file}") };
            let source = root.join("crates").join(krate).join(place);
            let source = fs::read_to_string(&source).unwrap_or_else(|_| panic!("no such file: {line}"));
            let before = source.split_once(&format!("fn {name}(")).map(|(before, _)| before);
            let before = before.unwrap_or_else(|| panic!("there is no {test}: {line}"));
            let mut lines =
                before.lines().rev().map(str::trim).skip_while(|line| matches!(*line, "" | "async"));
            let is_test = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            assert!(lines.next().is_some_and(is_test), "{test} is no test: {line}");
            named += 1;
        }
        assert!(named > 0, "no test: {line}");
    }
    assert_eq!(sections, SECTIONS.map(str::to_owned).into(), "a section is missing");
    assert!(rules >= 150, "only {rules} rules");
}
