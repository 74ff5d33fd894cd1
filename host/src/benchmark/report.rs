//! The figures side by side.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Serialize;

use super::{Footprint, Summary};

/// The figures of all components that were measured in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The first is the one that was asked about.
    pub figures: Vec<Figures>,
}

/// What one component costs.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The file.
    pub file: PathBuf,
    /// `sha256:` and its digest in hex.
    pub digest: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// What it is.
    pub kind: String,
    /// Time to compile it, nothing cached.
    #[serde(rename = "compile_ns", serialize_with = "nanos")]
    pub compile: Duration,
    /// Median time to make an instance in a store of its own and to initialize it.
    #[serde(rename = "start_ns", serialize_with = "nanos")]
    pub start: Duration,
    /// What an instance takes when it has been initialized.
    pub memory: Footprint,
    /// How long its work took.
    pub measured: Vec<Measured>,
}

/// How long one kind of work took.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Size of the payload in bytes, for pairs of get-exclusive and set-and-release; `None` for new IDs.
    pub payload: Option<usize>,
    /// The times.
    pub latencies: Summary,
    /// Linear memories and tables of an instance after the work, bytes.
    #[serde(rename = "memory_bytes")]
    pub memory: u64,
}

fn nanos<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// One row of the table: what it is about, and a cell for each component.
struct Row(String, Vec<String>);

impl Report {
    fn rows(&self) -> Vec<Row> {
        let row = |title: &str, cell: &dyn Fn(&Figures) -> String| {
            Row(title.to_owned(), self.figures.iter().map(cell).collect())
        };
        let name = |figures: &Figures| figures.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut rows = vec![
            row("", &name),
            row("file", &|figures| bytes(figures.size)),
            row("compile", &|figures| time(figures.compile)),
            row("start an instance", &|figures| time(figures.start)),
            row("instance's memory", &|figures| kib(figures.memory.linear)),
            row("  resident", &|figures| figures.memory.resident.map_or_else(String::new, kib)),
        ];
        let kinds_of_work = self.figures.first().map_or(&[][..], |first| &first.measured);
        for (number, work) in kinds_of_work.iter().enumerate() {
            let of = |tell: fn(&Summary) -> String| {
                move |figures: &Figures| figures.measured.get(number).map_or_else(String::new, |it| tell(&it.latencies))
            };
            let title = match work.payload {
                Some(size) => format!("pairs a second, {}", bytes(size as u64)),
                None => "IDs a second".to_owned(),
            };
            rows.push(row(&title, &of(|summary| grouped(summary.per_second))));
            rows.push(row("  half within", &of(|summary| time(Duration::from_nanos(summary.p50_ns)))));
            rows.push(row("  99 % within", &of(|summary| time(Duration::from_nanos(summary.p99_ns)))));
            rows.push(row("  99.9 % within", &of(|summary| time(Duration::from_nanos(summary.p999_ns)))));
            rows.push(row("  instance's memory", &|figures| {
                figures.measured.get(number).map_or_else(String::new, |it| kib(it.memory))
            }));
        }
        rows
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = |cells: &mut dyn Iterator<Item = &String>| cells.map(|cell| cell.chars().count()).max();
        let titles = width(&mut rows.iter().map(|Row(title, _)| title)).unwrap_or_default();
        for Row(title, cells) in &rows {
            write!(formatter, "{title:titles$}")?;
            for (number, cell) in cells.iter().enumerate() {
                let column = width(&mut rows.iter().filter_map(|Row(_, cells)| cells.get(number))).unwrap_or_default();
                write!(formatter, "   {cell:>column$}")?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1e-6 {
        format!("{:.0} ns", seconds * 1e9)
    } else if seconds < 1e-3 {
        format!("{:.1} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..0x10_0000 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / 0x10_0000),
    }
}

/// Memory, fine enough to compare two instances.
fn kib(count: u64) -> String {
    format!("{} KiB", grouped((count / 1024) as f64))
}

/// A whole number with its thousands set apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(time(Duration::from_nanos(420)), "420 ns");
        assert_eq!(time(Duration::from_nanos(2_360)), "2.4 us");
        assert_eq!(time(Duration::from_millis(26)), "26.0 ms");
        assert_eq!(time(Duration::from_millis(1_500)), "1.5 s");
        assert_eq!((bytes(256), bytes(4096), bytes(3 << 20)), ("256 B".into(), "4 KiB".into(), "3 MiB".into()));
        assert_eq!(
            (grouped(0.4), grouped(999.0), grouped(1_234_567.0)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
    }

    #[test]
    fn components_stand_side_by_side() {
        let summary = Summary { count: 3, per_second: 1000.0, p50_ns: 900, p99_ns: 2_000, p999_ns: 3_000 };
        let figures = |name: &str| Figures {
            file: name.into(),
            digest: "sha256:00".into(),
            size: 2048,
            kind: "provider".into(),
            compile: Duration::from_millis(20),
            start: Duration::from_micros(30),
            memory: Footprint { linear: 1 << 20, resident: Some(90 << 10) },
            measured: vec![Measured { payload: Some(256), latencies: summary, memory: 3 << 20 }],
        };
        let report = Report { figures: vec![figures("mine.wasm"), figures("memory.wasm")] };
        let text = report.to_string();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.first(), Some(&"                             mine      memory"), "{text}");
        assert!(rows.contains(&"pairs a second, 256 B       1,000       1,000"), "{text}");
        assert!(rows.contains(&"  99.9 % within            3.0 us      3.0 us"), "{text}");
        assert!(text.contains("\n  resident  ") && text.contains("  90 KiB"), "{text}");
        assert!(text.contains("\n  instance's memory  ") && text.contains("  3,072 KiB"), "{text}");
    }
}
