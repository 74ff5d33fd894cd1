//! The plots of docs/performance.md.

use std::{fs, path::Path};

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Pixels.
const SIZE: (u32, u32) = (760, 420);
/// Distinct for people who see colours differently (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// A curve: what it is called, and its points.
pub(crate) type Curve = (&'static str, Vec<(f64, f64)>);

/// Curves over an axis that multiplies.
pub(crate) fn curves(file: &Path, title: &str, [x, y]: [&str; 2], curves: &[Curve]) -> Result<()> {
    let mut svg = String::new();
    draw_curves(&mut svg, title, [x, y], curves).map_err(|error| anyhow!("{title}: {error}"))?;
    Ok(fs::write(file, svg)?)
}

fn draw_curves(
    svg: &mut String,
    title: &str,
    [x, y]: [&str; 2],
    curves: &[Curve],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let least = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| x).fold(0.0, f64::max);
    let top = points().map(|(_, y)| y).fold(0.0, f64::max) * 1.1;
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((least..most * 1.05).log_scale(), 0.0..top)?;
    chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&|value| format!("{value:.0}")).draw()?;
    for ((name, points), colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)?
            .label(*name)
            .legend(|(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK.mix(0.3)).draw()?;
    area.present()?;
    Ok(())
}

/// A bar for each server.
pub(crate) fn bars(file: &Path, title: &str, unit: &str, bars: &[(&str, f64)]) -> Result<()> {
    let mut svg = String::new();
    draw_bars(&mut svg, title, unit, bars).map_err(|error| anyhow!("{title}: {error}"))?;
    Ok(fs::write(file, svg)?)
}

/// Names and figures beside bars; drawn by hand, since an axis has no room for names.
fn draw_bars(
    svg: &mut String,
    title: &str,
    unit: &str,
    bars: &[(&str, f64)],
) -> Result<(), Box<dyn std::error::Error>> {
    const HEIGHT: i32 = 34;
    const LEFT: i32 = 230;
    const ROOM: i32 = 400;
    let height = 60 + HEIGHT * i32::try_from(bars.len())?;
    let area = SVGBackend::with_string(svg, (SIZE.0, u32::try_from(height)?)).into_drawing_area();
    area.fill(&WHITE)?;
    area.draw(&Text::new(title.to_owned(), (16, 16), ("sans-serif", 18)))?;
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    for (number, ((name, value), colour)) in bars.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = 50 + HEIGHT * i32::try_from(number)?;
        let pixels = (0..=ROOM).rev().find(|pixels| f64::from(*pixels) <= value / most * f64::from(ROOM));
        let end = LEFT + pixels.unwrap_or(0);
        area.draw(&Text::new((*name).to_owned(), (16, y + 4), ("sans-serif", 14)))?;
        area.draw(&Rectangle::new([(LEFT, y), (end, y + HEIGHT - 12)], colour.filled()))?;
        area.draw(&Text::new(format!("{value:.1} {unit}"), (end + 6, y + 4), ("sans-serif", 13)))?;
    }
    area.present()?;
    Ok(())
}
