//! Time of conversions, relative to a bare scan of the same bytes in the same run.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and fails by panicking"
)]

use std::hint::black_box;
use std::io;
use std::time::Instant;

use formats::{BlobSink, BlobSource, EncodeContext, FormatRegistry};
use proto::fault::v1::Fault;
use quick_xml::Reader;
use quick_xml::events::Event;

/// The packet has no files.
struct NoFiles;

impl BlobSink for NoFiles {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobSource for NoFiles {
    fn read(&self, _sha: [u8; 32], _size: u64, _to: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        Ok(())
    }
}

/// Microseconds of one run: the median of fifteen rounds.
fn measure(mut work: impl FnMut()) -> f64 {
    const RUNS: u32 = 400;
    let mut rounds: Vec<f64> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            (0..RUNS).for_each(|_| work());
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn scan_events(packet: &str) {
    let mut reader = Reader::from_str(packet);
    while !matches!(black_box(reader.read_event().unwrap()), Event::Eof) {}
}

fn main() {
    let registry = FormatRegistry::shipped().unwrap();
    let edxml = registry.get("edxml.document").unwrap();
    let portal = registry.get("ioffice.portal").unwrap();
    let packet =
        include_str!("../../mapping/formats/edxml.document/cases/without-files/native.xml");
    let decode = || edxml.decode(packet.as_bytes(), &[], &mut NoFiles).unwrap().remove(0);
    let canonical = decode().canonical;
    let encode = || {
        let mut out = Vec::new();
        let losses =
            portal.encode(&canonical, EncodeContext::default(), &NoFiles, &mut out).unwrap();
        (out, losses)
    };
    let json = String::from_utf8(encode().0).unwrap();

    let scan_xml = measure(|| scan_events(black_box(packet)));
    let scan_json = measure(|| {
        black_box(serde_json::from_str::<serde_json::Value>(black_box(&json)).unwrap());
    });
    let rows = [
        ("read edXML", measure(|| drop(black_box(decode()))), scan_xml),
        (
            "read edXML, format by itself",
            measure(|| {
                let read = registry.decode("auto", packet.as_bytes(), &[], &mut NoFiles);
                drop(black_box(read.unwrap()));
            }),
            scan_xml,
        ),
        (
            "read portal JSON",
            measure(|| drop(black_box(portal.decode(json.as_bytes(), &[], &mut NoFiles).unwrap()))),
            scan_json,
        ),
        ("write portal JSON", measure(|| drop(black_box(encode()))), scan_json),
        (
            "edXML to portal JSON",
            measure(|| {
                let read = decode();
                let mut out = Vec::new();
                let report =
                    portal.encode(&read.canonical, EncodeContext::default(), &NoFiles, &mut out);
                drop(black_box((report.unwrap(), out)));
            }),
            scan_xml,
        ),
    ];
    println!("{} bytes of edXML, {} bytes of JSON", packet.len(), json.len());
    println!("quick-xml events {scan_xml:.2} µs, serde_json value {scan_json:.2} µs");
    for (name, took, scan) in rows {
        println!("{name}: {took:.2} µs, {:.1} times the bare scan", took / scan);
    }
}
