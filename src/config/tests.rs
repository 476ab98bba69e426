use std::collections::HashMap;

use super::*;

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(&Sources {
        file: (!file.is_empty()).then(|| ("my.toml".to_owned(), file.to_owned())),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

#[test]
fn the_defaults_are_good() {
    let config = read("", &[]).unwrap();
    assert_eq!(config.database.url, "sqlite:data/switchboard.db");
    assert!(config.database.durable && config.keys.is_empty() && !config.is_postgres());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n";
    let config = read(file, &[("SWITCHBOARD_SERVER__LISTEN", "127.0.0.1:2"), ("HOME", "/")]).unwrap();
    assert_eq!((config.server.listen.port(), config.server.workers, config.server.request_limit_mb), (2, 3, 4));
}

#[test]
fn the_exact_name_of_the_database_wins_over_the_usual_one() {
    let url = |environment: &[(&str, &str)]| read("", environment).unwrap().database.url;
    assert_eq!(url(&[("DATABASE_URL", "postgres://a@b/c")]), "postgres://a@b/c");
    assert_eq!(url(&[("SWITCHBOARD_DATABASE__URL", "sqlite:x"), ("DATABASE_URL", "postgres://a@b/c")]), "sqlite:x");
}

#[test]
fn lists_and_switches_are_read_from_the_environment() {
    let key = format!("1:{}", "0".repeat(64));
    let environment = [
        ("SWITCHBOARD_KEYS", key.as_str()),
        ("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "10.0.0.0/8, 127.0.0.0/8"),
        ("SWITCHBOARD_SERVER__TRUST_PROXY", "true"),
        ("SWITCHBOARD_SERVER__PUBLIC_URL", ""),
        ("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"),
        ("SWITCHBOARD_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ];
    let config = read("", &environment).unwrap();
    assert_eq!((config.keys.len(), config.vendors.allow_networks.len()), (1, 2));
    assert!(config.server.trust_proxy && config.server.public_url.is_empty());
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_its_neighbour() {
    let said = read("[server]\nlistn = \"127.0.0.1:1\"\n", &[]).unwrap_err().to_string();
    assert_eq!(said, "the setting server.listn of my.toml is unknown: did you mean server.listen?");
    let said = read("", &[("SWITCHBOARD_OUTBOX__PACE", "1")]).unwrap_err().to_string();
    assert!(said.starts_with("the setting outbox.pace of SWITCHBOARD_OUTBOX__PACE is unknown: "), "{said}");
    assert!(read("", &[("SWITCHBOARD_SERVER", "x")]).is_err());
}

#[test]
fn a_bad_value_is_named_with_its_place_and_never_repeated() {
    let cases = [
        ("[server]\nworkers = \"three\"", "server.workers"),
        ("[server]\nworkers = 1000", "server.workers"),
        ("[server]\nlisten = \"8080\"", "server.listen"),
        ("[server]\npublic_url = \"example.com\"", "server.public_url"),
        ("[log]\nformat = \"xml\"", "log.format"),
        ("[log]\nlevel = \"loud\"", "log.level"),
        ("[database]\nurl = \"mysql://root:hunter2@db\"", "database.url"),
        ("keys = [\"hunter2\"]", "keys"),
        ("region = \"Russia\"", "region"),
        ("[pace]\nfrom_ms = 2000\nto_ms = 1000", "pace.to_ms"),
        ("[vendors]\nallow_networks = [\"10.0.0.0/99\"]", "vendors.allow_networks"),
        ("[vendors]\noauth_hosts = [\"https://x\"]", "vendors.oauth_hosts"),
        ("server = 1", "server"),
    ];
    for (file, key) in cases {
        let said = read(file, &[]).unwrap_err();
        assert_eq!((said.key.as_str(), said.origin.as_str()), (key, "my.toml"), "{file}");
        assert!(!said.to_string().contains("hunter2") && !said.remedy.is_empty(), "{said}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    let said = read("[server]\nworkers = 1\nlisten = = 2\n", &[]).unwrap_err().to_string();
    assert!(said.contains("my.toml") && said.contains("line 3"), "{said}");
}

#[test]
fn every_setting_has_a_comment() {
    let mut commented = HashMap::new();
    let mut told = false;
    for line in DEFAULTS.lines() {
        match line {
            "" => told = false,
            line if line.starts_with('[') => told = false,
            line if line.starts_with('#') => told = true,
            line => {
                commented.insert(line.to_owned(), told);
            }
        }
    }
    // settings that belong together share the comment above the first of them
    let bare: Vec<_> = commented.into_iter().filter(|(_, told)| !told).collect();
    assert!(bare.is_empty(), "{bare:?}");
}
