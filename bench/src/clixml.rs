use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use exconn_exchange::remoting::read_device;
use exconn_exchange_sim::Organisation;
use quick_xml::{Reader, events::Event};

use crate::{median::median, report::Section};

const OBJECTS: u64 = 10_000;
const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

/// From the bytes of `Get-MobileDevice`'s objects to device records, beside a pass that only finds the tokens.
pub(crate) fn run() -> Result<Section, String> {
    let organisation = Organisation::new(7, OBJECTS, "Contoso", "contoso.example");
    let objects: Vec<String> = (0..OBJECTS).filter_map(|number| organisation.clixml(number)).collect();
    let bytes: usize = objects.iter().map(String::len).sum();
    let decode = || -> Result<(), String> {
        for object in &objects {
            black_box(read_device(black_box(object.as_bytes())).map_err(|error| error.to_string())?);
        }
        Ok(())
    };
    let tokenise = || -> Result<(), String> {
        for object in &objects {
            let mut reader = Reader::from_str(black_box(object));
            while !matches!(black_box(reader.read_event().map_err(|error| error.to_string())?), Event::Eof) {}
        }
        Ok(())
    };
    let (mut decoded, mut tokenised) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        decoded.push(megabytes_per_second(bytes, decode)?);
        tokenised.push(megabytes_per_second(bytes, tokenise)?);
    }
    let (decoded, tokenised) = (median(decoded), median(tokenised));
    let mut section = Section::new("CLIXML to device records, one core");
    section.note("bytes of an object (mean)", bytes / objects.len());
    section.at_least("decoding", decoded, 150.0, " MB/s");
    section.note("a bare tokenising pass of quick-xml over the same bytes", format!("{tokenised:.0} MB/s"));
    section.at_least("that is, of the bare pass", decoded / tokenised * 100.0, 50.0, " %");
    Ok(section)
}

fn megabytes_per_second(bytes: usize, pass: impl Fn() -> Result<(), String>) -> Result<f64, String> {
    let began = Instant::now();
    let mut passes = 0;
    while began.elapsed() < ROUND {
        pass()?;
        passes += 1;
    }
    Ok(bytes as f64 * f64::from(passes) / 1e6 / began.elapsed().as_secs_f64())
}
