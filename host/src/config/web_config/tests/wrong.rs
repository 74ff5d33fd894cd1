//! `web.config` files that cannot be right.

use super::translate;

/// All problems of a text, one a line.
fn problems(text: &str) -> String {
    translate("web.config", text.as_bytes()).map(|translation| translation.toml).expect_err(text).to_string()
}

fn problems_of_element(element: &str) -> String {
    problems(&format!("<configuration>\n<system.web>\n{element}\n</system.web>\n</configuration>"))
}

#[test]
fn values_that_aspnet_refuses_are_refused_with_line_and_what_is_allowed() {
    for (element, problem) in [
        (
            "<sessionState timeout=\"0\"/>",
            "web.config:3: sessionState timeout = \"0\": allowed are whole minutes from 1",
        ),
        (
            "<sessionState\n timeout=\"525601\"/>",
            "web.config:4: sessionState timeout = \"525601\": allowed are whole min",
        ),
        ("<sessionState timeout=\"#{Timeout}#\"/>", "web.config:3: sessionState timeout = \"#{Timeout}#\": allowed"),
        (
            "<sessionState mode=\"stateserver\"/>",
            "web.config:3: sessionState mode = \"stateserver\": did you mean `StateServer`?",
        ),
        ("<sessionState mode=\"\"/>", "web.config:3: sessionState mode = \"\": allowed are Off, InProc, "),
        (
            "<sessionState cookieless=\"True\"/>",
            "web.config:3: sessionState cookieless = \"True\": did you mean `true`?",
        ),
        ("<sessionState cookieSameSite=\"lax\"/>", "sessionState cookieSameSite = \"lax\": did you mean `Lax`?"),
        (
            "<sessionState compressionEnabled=\"yes\"/>",
            "sessionState compressionEnabled = \"yes\": allowed are true and",
        ),
        (
            "<sessionState stateNetworkTimeout=\"0\"/>",
            "sessionState stateNetworkTimeout = \"0\": allowed are whole sec",
        ),
        (
            "<sessionState sqlCommandTimeout=\"x\"/>",
            "sessionState sqlCommandTimeout = \"x\": allowed are whole seconds",
        ),
        (
            "<sessionState mode=\"StateServer\" stateConnectionString=\"tcpip=state01\"/>",
            "web.config:3: sessionState stateConnectionString = \"tcpip=state01\": write `tcpip=HOST:PORT`",
        ),
        (
            "<sessionState mode=\"StateServer\" stateConnectionString=\"tcpip=state01:70000\"/>",
            "the port must be 1 to 65535",
        ),
        ("<sessionState mode=\"Custom\"/>", "web.config:3: sessionState: mode Custom needs `customProvider`"),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers>\n<add name=\"b\" type=\"B\"/></providers></sessionState>",
            "web.config:3: sessionState customProvider = \"a\": no such provider among the <providers> here; they are b",
        ),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers><add name=\"a\" type=\"A\"/><clear/></providers></sessionState>",
            "no such provider among the <providers> here; there are none",
        ),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers>\n<add name=\"a\" type=\"A\"/>\n<add name=\"a\" type=\"A\"/></providers></sessionState>",
            "web.config:5: providers add: a provider of this name is there already, in line 4",
        ),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers>\n<add name=\"a\"/></providers></sessionState>",
            "web.config:4: providers add: a provider needs the attribute `type`",
        ),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers>\n<put name=\"a\"/></providers></sessionState>",
            "web.config:4: providers: <put> is not allowed in <providers>",
        ),
        (
            "<sessionState mode=\"Custom\" customProvider=\"a\"><providers><add name=\"a\" type=\"Microsoft.Web.Redis.RedisSessionStateProvider\"\n port=\"x\"/></providers></sessionState>",
            "web.config:4: provider port: allowed are whole numbers from 1 to 65535",
        ),
        ("<sessionState/>\n<sessionState/>", "web.config:4: <sessionState>: is there a second time"),
        ("<sessionState configSource=\"s.config\"/>", "web.config:3: <sessionState>: keeps its content in `s.config`"),
        ("<sessionState configProtectionProvider=\"R\"><EncryptedData/></sessionState>", "aspnet_regiis -pdf"),
    ] {
        let found = problems_of_element(element);
        assert!(found.contains(problem), "{element}\ngives {found}\nand not {problem}");
    }
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let found = problems_of_element("<sessionState mode=\"x\"\n timeout=\"0\"\n cookieless=\"perhaps\"/>");
    let lines: Vec<_> = found.lines().map(|line| line.split(" = ").next().unwrap_or_default()).collect();
    let expected = [
        "web.config:3: sessionState mode",
        "web.config:4: sessionState timeout",
        "web.config:5: sessionState cookieless",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_file_that_is_no_web_config_is_refused_with_a_sentence() {
    for (text, problem) in [
        ("", "there is no element in it"),
        ("mode=StateServer", "web.config:1: this is not XML"),
        (
            "<configuration>\n<system.web>\n</configuration>",
            "web.config:3: this is not XML: </configuration> stands where",
        ),
        ("<configuration>", "the file ends before its root element is closed"),
        ("<!DOCTYPE x><configuration/>", "has no DTD"),
        ("<a\n b=\"1\" b=\"2\"/>", "web.config:2: this is not XML: the attribute `b` is there twice"),
        ("<project/>", "web.config:1: this is not a web.config: its root is <project>"),
        ("<configuration><system.web/></configuration>", "there is no <sessionState> in <system.web>"),
        (
            "<configuration>\n<sessionState/></configuration>",
            "web.config:2: <sessionState>: stands outside <system.web>",
        ),
        (
            "<configuration><!-- <system.web><sessionState/></system.web> --></configuration>",
            "there is no <sessionState>",
        ),
    ] {
        let found = problems(text);
        assert!(found.contains(problem), "{text}\ngives {found}\nand not {problem}");
    }
    assert!(translate("web.config", &[0xFF]).expect_err("no text").to_string().contains("neither UTF-8 nor UTF-16"));
}

#[test]
fn a_mistake_beside_a_password_does_not_print_it() {
    for element in [
        "<sessionState mode=\"SQLServer\" sqlConnectionString=\"password=a&hunter2;b\"/>",
        "<sessionState mode=\"SQLServer\" sqlConnectionString=\"password=a<hunter2\"/>",
        "<sessionState mode=\"SQLServer\" sqlConnectionString=\"password=a\"hunter2=\"/>",
        "<sessionState mode=\"StateServer\" stateConnectionString=\"server=a;password=hunter2\"/>",
    ] {
        let found = problems_of_element(element);
        assert!(!found.contains("hunter2"), "{element}\ngives {found}");
    }
}
