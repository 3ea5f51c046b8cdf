use crate::{load, organisation, report::Section, service::Service};

const CONNECTIONS: usize = 16;
/// What is asked for, and in which words it is reported.
const PAGES: [(&str, &str); 2] = [
    ("blocked devices", "/managedDevices?$filter=exchangeAccessState%20eq%20'blocked'&$orderby=id&$top=20"),
    ("by name from a letter on", "/managedDevices?$filter=deviceName%20ge%20'H'&$orderby=deviceName&$top=20"),
];

/// The same page of devices by an indexed property out of few and out of many.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let folders = [tempfile::tempdir(), tempfile::tempdir()];
    let [few, many] = folders.map(|folder| folder.map_err(|error| error.to_string()));
    let (few_folder, many_folder) = (few?, many?);
    let (few, many) = runtime.block_on(async {
        let few = Service::start(few_folder.path()).await?;
        organisation::sync(&few, 1000).await?;
        let many = Service::start(many_folder.path()).await?;
        organisation::sync(&many, 100_000).await?;
        Ok::<_, String>((few, many))
    })?;
    let mut section = Section::new("A filtered, ordered page of 20 devices");
    for (what, path) in PAGES {
        let (few, many) = (few.get(path), many.get(path));
        for target in [&few, &many] {
            let answer = load::once(target)?;
            if answer["value"].as_array().map(Vec::len) != Some(20) {
                return Err(format!("{path} is not a page of 20: {answer}"));
            }
        }
        let loads = load::alternating(&[&few, &many], CONNECTIONS)?;
        let [few, many] = loads.as_slice() else { return Err("each target has its figures".into()) };
        section.note(format!("{what}, out of 1,000"), format!("{:.0} requests/s", few.per_second));
        section.note(format!("{what}, out of 100,000"), format!("{:.0} requests/s", many.per_second));
        section.at_most("that is, times as long", few.per_second / many.per_second, 1.5, "");
    }
    Ok(section)
}
