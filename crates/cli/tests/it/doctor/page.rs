//! `docs/troubleshooting/doctor.md`: what it shows is what the program prints.

use std::{fs, path::PathBuf, sync::Mutex};

use exconn_testkit::repository_root;

/// With this variable set, the page's blocks are written anew instead of compared.
const WRITE: &str = "EXCONN_WRITE_PAGES";
/// Wider blocks are scrolled in a browser.
const WIDTH: usize = 110;
/// Where what was seen, and where a cure, goes on when it is wrapped.
const SEEN: usize = 42;
const CURE: usize = 8;

/// Tests that run at the same time write one after the other.
static TURN: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    repository_root().join("docs/troubleshooting/doctor.md")
}

/// The page's sections: heading, and everything up to the next.
pub(super) fn headings() -> Vec<String> {
    let page = fs::read_to_string(path()).unwrap();
    page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect()
}

/// Holds the block below a heading against what was printed. Blanks and line ends do not count: names have other lengths
/// on the page, and its lines are wrapped.
pub(super) fn shows(heading: &str, printed: &str) {
    let _turn = TURN.lock().unwrap();
    let page = fs::read_to_string(path()).unwrap();
    let start = page.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no section '{heading}'"));
    let section = &page[start..];
    let section = &section[..section[3..].find("\n## ").map_or(section.len(), |end| end + 4)];
    let block: String = section
        .lines()
        .skip_while(|line| !line.starts_with("    "))
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| format!("{line}\n"))
        .collect();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words(&block) == words(printed) {
        return;
    }
    assert!(
        std::env::var_os(WRITE).is_some(),
        "docs/troubleshooting/doctor.md, '{heading}', does not show what is printed; with {WRITE} set the page is \
         written anew. Printed:\n{printed}"
    );
    let fresh: String = printed.lines().map(indented).collect();
    let written = if block.trim().is_empty() {
        format!("{}\n\n{}\n\n", section.trim_end(), fresh.trim_end())
    } else {
        section.replacen(block.trim_end(), fresh.trim_end(), 1)
    };
    let page = page.replacen(section, &written, 1);
    fs::write(path(), format!("{}\n", page.trim_end())).unwrap();
}

/// A printed line as lines of the page.
fn indented(line: &str) -> String {
    let step = ["  ok ", "  WARN ", "  FAIL ", "  - "].iter().any(|mark| line.starts_with(mark));
    let (head, text, indent) = if step {
        let (mark, rest) = line.split_at(8);
        let (name, seen) = rest.trim_start().split_once("  ").unwrap_or((rest, ""));
        (format!("{mark}{name:<32}  "), seen.trim_start(), SEEN)
    } else if line.starts_with("        ") && line.ends_with(['.', ':']) {
        (" ".repeat(CURE), line.trim_start(), CURE)
    } else {
        (String::new(), line, 0)
    };
    if indent == 0 {
        return if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
    }
    let mut lines = vec![head];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        let is_bare = last.ends_with(' ');
        if !is_bare && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            if !is_bare {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.iter().map(|line| format!("    {line}\n")).collect()
}
