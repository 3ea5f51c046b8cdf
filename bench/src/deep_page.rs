use crate::{
    load::{self, Target},
    organisation,
    report::Section,
    service::Service,
};

const DEVICES: u64 = 1_000_000;
const PAGE: u64 = 100;
/// Where the pages begin; the last one has no next link.
const DEPTHS: [(&str, u64); 3] =
    [("in the quarter", DEVICES / 4), ("in the middle", DEVICES / 2), ("the last", DEVICES - PAGE)];
const ORDERS: [(&str, &str); 2] = [("by id", ""), ("by name", "&$orderby=deviceName")];

/// Pages at several depths of a long list, as next links reach them.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let service = runtime.block_on(async {
        let service = Service::start(folder.path()).await?;
        organisation::sync(&service, DEVICES).await?;
        Ok::<_, String>(service)
    })?;
    let mut section = Section::new("Pages of 100 out of a million devices");
    let mut by_id = None;
    for (order, option) in ORDERS {
        let mut targets = vec![service.get(&format!("/managedDevices?$top={PAGE}{option}"))];
        for (_, depth) in DEPTHS {
            targets.push(at(&service, option, depth)?);
        }
        let loads = load::alternating(&targets.iter().collect::<Vec<_>>(), 1)?;
        let microseconds: Vec<f64> = loads.iter().map(|load| 1e6 / load.per_second).collect();
        let first = microseconds.first().copied().unwrap_or(f64::NAN);
        section.note(format!("{order}: the first page"), format!("{first:.0} µs"));
        // Where each page is sorted anew, all are equally slow: an index must serve the order.
        match by_id {
            None => by_id = Some(first),
            Some(by_id) => section.at_most("that is, times the first page by id", first / by_id, 3.0, ""),
        }
        let mut slowest = first;
        for ((name, _), figure) in DEPTHS.iter().zip(microseconds.iter().skip(1)) {
            section.note(format!("{order}: {name}"), format!("{figure:.0} µs"));
            slowest = slowest.max(*figure);
        }
        section.at_most("that is, the slowest times the first", slowest / first, 1.5, "");
    }
    Ok(section)
}

/// The page that begins `depth` devices down: it is skipped to once, and its next link kept.
fn at(service: &Service, option: &str, depth: u64) -> Result<Target, String> {
    let before = service.get(&format!("/managedDevices?$top={PAGE}&$skip={}{option}", depth - PAGE));
    let answer = load::once(&before)?;
    let link = answer["@odata.nextLink"].as_str().ok_or("a page in the middle has no next link")?;
    let target = service.follow(link);
    let page = load::once(&target)?;
    let is_last = depth + PAGE >= DEVICES;
    if page["value"].as_array().map(|page| page.len() as u64) != Some(PAGE)
        || page["@odata.nextLink"].is_null() != is_last
    {
        return Err(format!("the page {depth} devices down is not whole"));
    }
    Ok(target)
}
