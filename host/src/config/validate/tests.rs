//! Validation, from a text to a configuration or its problems.

use std::path::Path;

use super::*;
use crate::config::{HttpConfig, StateServerConfig, StoreConfig};

fn read_with(text: &str, overrides: &Overrides) -> Result<Config, Vec<String>> {
    Config::from_toml("cloakroom.toml", Path::new("/etc/cloakroom"), text, overrides)
        .map_err(|error| error.problems().iter().map(ToString::to_string).collect())
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    read_with(text, &Overrides::default())
}

/// The one problem of a text.
fn problem(text: &str) -> String {
    let mut problems = read(text).expect_err(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems.remove(0)
}

#[test]
fn no_file_and_an_empty_file_are_the_defaults() {
    let none = Config::load(None, &Overrides::default()).expect("a configuration");
    assert_eq!(none, Config::default());
    assert_eq!(read(""), Ok(Config::default()));
    assert_eq!(none.stores.keys().collect::<Vec<_>>(), ["default"]);
}

#[test]
fn what_is_written_is_taken_and_the_rest_is_default() {
    let config = read(
        "[state_server]\nhold_locked = \"2s\"\nmax_line = \"4KiB\"\n\
         [stores.default]\nidle_timeout = \"30m\"\n[stores.carts]\nprovider = \"my-store\"\nabsolute_timeout = \"7d\"\n\
         [applications]\nshop = \"carts\"\n",
    )
    .expect("a configuration");
    let expected = StateServerConfig { hold_locked: 2 * SECOND, max_line: 4096, ..StateServerConfig::default() };
    assert_eq!(config.state_server, Some(expected));
    assert_eq!(config.stores.get("default"), Some(&StoreConfig { idle_timeout: 1800, ..StoreConfig::default() }));
    let carts = StoreConfig { provider: "my-store".into(), absolute_timeout: Some(7 * DAY), ..StoreConfig::default() };
    assert_eq!(config.stores.get("carts"), Some(&carts));
    assert_eq!(config.applications.get("shop").map(String::as_str), Some("carts"));
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let problems = read(
        "data_dri = \"x\"\n[state_server]\naddress = \"localhost:42424\"\nmax_headers = -1\nhold_locked = 400\n\
         [http]\nmax_wait = \"2h\"\n[stores.Carts]\nidle_timeout = \"1500ms\"\nmax_payload = \"20 MB\"\n\
         [applications]\nshop = \"cart\"\n",
    )
    .expect_err("problems");
    let starts = [
        "cloakroom.toml:1: data_dri: there is no such key; did you mean `data_dir`? Allowed here: data_dir, ",
        "cloakroom.toml:3: state_server.address = \"localhost:42424\": expected an IP address and a port",
        "cloakroom.toml:4: state_server.max_headers = -1: expected a whole number, 0 or more",
        "cloakroom.toml:5: state_server.hold_locked = 400: expected a whole number with the unit ms, s, m, h or d",
        "cloakroom.toml:7: http.max_wait = \"2h\": allowed is 0s to 10m",
        "cloakroom.toml:8: stores.Carts: a store's name has 1 to 64 characters of a-z, 0-9 and `-`",
        "cloakroom.toml:9: stores.Carts.idle_timeout = \"1500ms\": allowed are whole seconds up to 365d",
        "cloakroom.toml:10: stores.Carts.max_payload = \"20 MB\": expected bytes as a whole number, or with the unit",
        "cloakroom.toml:12: applications.shop = \"cart\": there is no store `cart`; write `[stores.cart]` or one of: ",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}\nshould start with\n{start}");
    }
}

#[test]
fn an_address_that_is_not_loopback_is_refused_with_the_reason() {
    let state_server = problem("[state_server]\naddress = \"0.0.0.0:42424\"\n");
    for part in [":2: state_server.address", "neither TLS nor authentication", "BinaryFormatter", "allow_remote = true"]
    {
        assert!(state_server.contains(part), "{state_server} should mention {part}");
    }
    let http = problem("[http]\naddress = \"10.0.0.5:80\"\n");
    assert!(http.contains("http.address") && http.contains("allow_remote = true"), "{http}");
    assert!(problem("[http]\naddress = \"[::]:80\"\n").contains("loopback"));
}

#[test]
fn an_address_that_is_not_loopback_is_taken_where_remote_access_is_allowed() {
    let config = read("allow_remote = true\n[state_server]\naddress = \"0.0.0.0:42424\"\n").expect("a configuration");
    assert_eq!(config.state_server.map(|front_end| front_end.address), "0.0.0.0:42424".parse().ok());
}

#[test]
fn every_loopback_address_is_taken() {
    for address in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(read(&format!("[http]\naddress = \"{address}\"\n")).is_ok(), "{address}");
    }
}

#[test]
fn a_front_end_can_be_switched_off_but_not_both() {
    let config = read("[state_server]\nenabled = false\n").expect("a configuration");
    assert_eq!((config.state_server, config.http), (None, Some(HttpConfig::default())));
    let config = read("[http]\nenabled = false\naddress = \"127.0.0.1:1\"\n").expect("a configuration");
    assert_eq!((config.state_server, config.http), (Some(StateServerConfig::default()), None));
    let both = problem("[state_server]\nenabled = false\n[http]\nenabled = false\n");
    assert!(both.contains("both front ends are switched off"), "{both}");
}

#[test]
fn an_address_of_a_front_end_that_is_off_may_be_anything() {
    assert!(read("[http]\nenabled = false\naddress = \"0.0.0.0:42424\"\n").is_ok());
}

#[test]
fn two_front_ends_cannot_have_one_address() {
    let same = problem("[http]\naddress = \"127.0.0.1:42424\"\n");
    assert!(same.contains("http.address") && same.contains("its own port"), "{same}");
    let everywhere = "allow_remote = true\n[state_server]\naddress = \"0.0.0.0:8642\"\n";
    assert!(problem(everywhere).contains("its own port"), "every address includes the other's");
    let free = "[http]\naddress = \"127.0.0.1:0\"\n[state_server]\naddress = \"127.0.0.1:0\"\n";
    assert!(read(free).is_ok(), "port 0 is a free port for each");
}

#[test]
fn the_command_line_overrides_the_file() {
    let overrides = Overrides {
        plugins: Some("p".into()),
        state_server: "127.0.0.1:1".parse().ok(),
        http: "127.0.0.1:2".parse().ok(),
        data_dir: Some("d".into()),
    };
    let text = "data_dir = \"x\"\n[plugins]\ndirectory = \"y\"\n[state_server]\naddress = \"127.0.0.1:9\"\n\
                [http]\nenabled = false\n";
    let config = read_with(text, &overrides).expect("a configuration");
    assert_eq!(config.data_dir, Path::new("d"));
    assert_eq!(config.plugins.directory, Path::new("p"));
    assert_eq!(config.state_server.map(|front_end| front_end.address), overrides.state_server);
    assert_eq!(config.http.map(|front_end| front_end.address), overrides.http, "an address switches it on");
}

#[test]
fn an_override_is_held_to_the_loopback_rule_and_named() {
    let overrides = Overrides { state_server: "0.0.0.0:42424".parse().ok(), ..Overrides::default() };
    let problems = read_with("", &overrides).expect_err("refused");
    assert!(problems.concat().starts_with("command line: --state-server = 0.0.0.0:42424: "), "{problems:?}");
    assert!(read_with("allow_remote = true\n", &overrides).is_ok());
}

#[test]
fn paths_in_a_file_are_relative_to_the_file() {
    let config = read("data_dir = \"data\"\n[plugins]\ndirectory = \"/opt/plugins\"\n").expect("a configuration");
    assert_eq!(config.data_dir, Path::new("/etc/cloakroom/data"));
    assert_eq!(config.plugins.directory, Path::new("/opt/plugins"));
}

#[test]
fn idle_timeouts_are_whole_seconds_up_to_a_year() {
    let seconds = |timeout: &str| {
        let config = read(&format!("[stores.default]\nidle_timeout = \"{timeout}\"\n")).ok()?;
        config.stores.get("default").map(|store| store.idle_timeout)
    };
    assert_eq!(seconds("1s"), Some(1));
    assert_eq!(seconds("0s"), Some(0), "never");
    assert_eq!(seconds("2000ms"), Some(2));
    assert_eq!(seconds("365d"), Some(31_536_000));
    assert_eq!(seconds("366d"), None);
    assert_eq!(seconds("400ms"), None);
    assert_eq!(seconds("200000000000d"), None);
}

#[test]
fn numbers_outside_their_range_are_refused() {
    for entry in ["threads = 0", "threads = 1025"] {
        let problem = problem(&format!("{entry}\n"));
        assert!(problem.starts_with(&format!("cloakroom.toml:1: {entry}: allowed is 1 to 1024")), "{problem}");
    }
    for (section, entry) in [
        ("state_server", "max_headers = 0"),
        ("state_server", "max_body = 0"),
        ("state_server", "hold_locked = \"2m\""),
        ("state_server", "max_connections = 0"),
        ("plugins.limits", "memory = \"1KiB\""),
        ("plugins.limits", "instances = 0"),
        ("plugins.limits", "cpu = \"0s\""),
        ("stores.default", "max_payload = 0"),
        ("stores.default", "sweep_interval = \"0s\""),
        ("stores.default", "absolute_timeout = \"0s\""),
    ] {
        let problem = problem(&format!("[{section}]\n{entry}\n"));
        assert!(problem.starts_with(&format!("cloakroom.toml:2: {section}.{entry}: allowed is ")), "{problem}");
    }
}

#[test]
fn a_version_that_web_servers_refuse_is_refused_here() {
    for version in ["1.1.4322", "4", "", "four.0"] {
        let problem = problem(&format!("[state_server]\naspnet_version = \"{version}\"\n"));
        assert!(problem.contains("aspnet_version"), "{problem}");
    }
    assert!(read("[state_server]\naspnet_version = \"2.0.50727\"\n").is_ok());
}

#[test]
fn a_plugin_is_named_and_not_pointed_to() {
    assert!(problem("[stores.default]\nprovider = \"memory.wasm\"\n").contains("without `.wasm`: \"memory\""));
    assert!(problem("[stores.default]\nid_generator = \"../x\"\n").contains("without its folder"));
    assert!(problem("[stores.default]\nid_generator = \"\"\n").contains("name of a plugin"));
}

#[test]
fn the_log_can_be_json_and_its_filter_must_be_one() {
    let config =
        read("[log]\nformat = \"json\"\nfilter = \"warn,cloakroom::sessions=trace\"\n").expect("a configuration");
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(problem("[log]\nformat = \"xml\"\n").contains("\"text\" or \"json\""));
    assert!(problem("[log]\nfilter = \"cloakroom=loud\"\n").contains("RUST_LOG"));
}

#[test]
fn settings_are_kept_as_text_and_a_mistake_in_one_is_told_without_its_value() {
    let text = "[stores.default.settings]\na = \"x\"\nb = 5\nc = true\n[stores.default.id_settings]\n\
                keys = { env = \"CARGO_PKG_NAME\" }\n";
    let store = read(text).expect("a configuration").stores.remove("default").expect("the store");
    assert_eq!(store.settings.into_iter().collect::<Vec<_>>(), [("a", "x"), ("b", "5"), ("c", "true")].map(owned));
    assert_eq!(store.id_settings.get("keys").map(String::as_str), Some("cloakroom"));

    for value in ["[\"hunter2\"]", "{ environment = \"hunter2\" }", "{ env = [\"hunter2\"] }", "[{ a = \"hunter2\" }]"]
    {
        let problem = problem(&format!("[stores.default.settings]\nkey = {value}\n"));
        let start = "cloakroom.toml:2: stores.default.settings.key: a setting is text, a whole number, true, false, ";
        assert!(problem.starts_with(start) && !problem.contains("hunter2"), "{problem}");
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.into(), value.into())
}

#[test]
fn a_secret_that_is_not_there_is_a_problem_of_its_key() {
    let problem = problem("[stores.default.settings]\nkey = { env = \"CLOAKROOM_NOT_SET\" }\n");
    assert_eq!(
        problem,
        "cloakroom.toml:2: stores.default.settings.key: the environment variable `CLOAKROOM_NOT_SET` is not set"
    );
}

#[test]
fn a_text_that_is_not_toml_is_one_problem_with_its_line() {
    let problem = problem("data_dir = \"x\"\n[http\n");
    assert!(problem.starts_with("cloakroom.toml:2: this is not TOML: "), "{problem}");
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let error = Config::load(Some(Path::new("no/such.toml")), &Overrides::default()).expect_err("no file");
    assert!(error.to_string().contains("no/such.toml"), "{error}");
    assert!(error.problems().is_empty());
}

#[test]
fn debug_output_of_a_configuration_shows_no_setting() {
    let config = read("[stores.default]\nsettings = { a = \"s3cret\" }\nid_settings = { b = \"s3cret\" }\n");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn keys_of_another_kind_of_connection_are_reported() {
    for (url, key, words) in [
        ("redis://a", "max_connections = 4", "it is for SQL databases"),
        ("postgres://a/b", "cluster = true", "it is for Redis"),
        ("postgres://a/b", "wait_replicas = 1", "it is for Redis"),
        ("mysql://a/b", "wait_timeout = \"1s\"", "it is for Redis"),
        ("redis://a", "synchronous = \"normal\"", "it is for SQLite"),
        ("redis://a", "wait_replicas = 1\nwait_timeout = \"9s\"", "it has to be shorter than `timeout`"),
    ] {
        let problem = problem(&format!("[connections.main]\nurl = \"{url}\"\n{key}\n"));
        assert!(problem.contains(words), "{problem}");
    }
    assert!(read("[connections.main]\nurl = \"mysql://a/b\"\nwait_timeout = \"200ms\"\n").is_ok(), "changes nothing");
}
