//! The configuration and its plugins.

use std::fs;

use anyhow::{Result, ensure};

use crate::Patient;

#[test]
fn the_defaults_are_well() -> Result<()> {
    let report = Patient::new()?.examine("")?;
    report.is_well()?;
    report.found("ok", "plugin", &["store `default`", "`memory` keeps its sessions"])?;
    ensure!(report.text.starts_with("ok       configuration: it can be read"), "{}", report.text);
    Ok(())
}

#[test]
fn every_mistake_in_the_configuration_is_a_finding() -> Result<()> {
    let report = Patient::new()?.examine("[http]\nadress = \"x\"\n[stores.default]\nidle_timeout = \"never\"\n")?;
    report.has(2, 0)?;
    report.found("error", "configuration", &["cloakroom.toml:3", "http.adress"])?;
    report.found("error", "configuration", &["cloakroom.toml:5", "stores.default.idle_timeout"])
}

#[test]
fn a_plugin_that_is_missing_or_of_another_kind_is_an_error() -> Result<()> {
    let patient = Patient::new()?;
    let report = patient.examine("[stores.default]\nprovider = \"nowhere\"\nid_generator = \"memory\"\n")?;
    report.has(2, 0)?;
    report.found("error", "plugin", &["there is no plugin `nowhere`", "put the file there"])?;
    report.found("error", "plugin", &["`memory` is a provider", "id-manager is needed"])?;
    let report = patient.examine("[plugins]\ndirectory = \"nowhere\"\n")?;
    // The command line says where they are.
    report.is_well()
}

#[test]
fn a_plugin_that_is_not_granted_what_it_asks_for_is_an_error_with_the_line_to_write() -> Result<()> {
    let patient = Patient::new()?;
    fs::remove_file(patient.path().join("redis.toml"))?;
    patient.write("sql.toml", "sql = [\"other\"]\n")?;
    let report = patient.examine(
        "[stores.default]\nprovider = \"redis\"\n[stores.rows]\nprovider = \"sql\"\n\
         [stores.sealed]\nprovider = [\"encrypt\", \"memory\"]\n",
    )?;
    report.has(3, 0)?;
    report.found("error", "plugin", &["store `default`", "`redis = [\"CONNECTION\"]`", "cloakroom inspect"])?;
    report.found("error", "plugin", &["store `rows`", "not been granted the connection `main`"])?;
    report.found("error", "plugin", &["store `sealed`", "`payload = true`"])
}

#[test]
fn settings_that_a_plugin_refuses_are_an_error_without_their_values() -> Result<()> {
    let patient = Patient::new()?;
    patient.write("encrypt.toml", "payload = true\n")?;
    let report = patient.examine(
        "[stores.default]\nprovider = [\"encrypt\", \"memory\"]\nevents = [\"session-log\"]\n\
         [stores.default.plugin_settings.encrypt]\nkeys = \"s3cr/et-word\"\n",
    )?;
    report.has(1, 0)?;
    report.found("error", "plugin", &["plugin `encrypt` refused to start", "correct the settings"])?;
    report.found("ok", "plugin", &["`session-log` hears of its sessions"])
}

#[test]
fn a_connection_that_is_granted_and_not_configured_is_an_error() -> Result<()> {
    let report = Patient::new()?.examine("[stores.default]\nprovider = \"redis\"\n")?;
    report.has(1, 0)?;
    report.found("error", "plugin", &["no connection `main` is configured"])
}
