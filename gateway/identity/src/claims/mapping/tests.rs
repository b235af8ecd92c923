use super::*;
use crate::json::parse_object;
use proptest::prelude::*;
use serde_json::{Value, json};

fn claims(value: &Value) -> Object {
    parse_object(value.to_string().as_bytes()).unwrap()
}

fn name(written: &str) -> ClaimName {
    ClaimName::parse(written).unwrap()
}

fn mapping() -> UserClaims {
    UserClaims {
        username: Text::Claim(name("sub")),
        verified_by: None,
        prefix: String::new(),
        groups: None,
        uid: None,
        extra: BTreeMap::new(),
    }
}

fn missing(claim: &str) -> ClaimFault {
    ClaimFault::Missing(claim.to_owned())
}

fn wrong_type(claim: &str) -> ClaimFault {
    ClaimFault::Type(claim.to_owned())
}

fn check_username(mapping: &UserClaims, value: &Value, expected: Result<&str, ClaimFault>) {
    let found = mapping
        .read(&claims(value), Party::Token)
        .map(|user| user.username);
    assert_eq!(found, expected.map(str::to_owned), "{value}");
}

#[test]
fn maps_the_user_name_with_its_prefix() {
    let prefixed = UserClaims {
        prefix: "corp:".to_owned(),
        ..mapping()
    };
    check_username(&prefixed, &json!({"sub": "ana"}), Ok("corp:ana"));
    check_username(&mapping(), &json!({"sub": "ana"}), Ok("ana"));
    check_username(&mapping(), &json!({}), Err(missing("sub")));
    for odd in [
        json!(null),
        json!(1),
        json!(true),
        json!(["ana"]),
        json!({"a": 1}),
    ] {
        check_username(&mapping(), &json!({ "sub": odd }), Err(wrong_type("sub")));
    }
    let empty = || Err(NameFault::Empty(NameOf::User).into());
    check_username(&mapping(), &json!({"sub": ""}), empty());
    check_username(&prefixed, &json!({"sub": ""}), empty());
}

#[test]
fn refuses_system_users_and_groups_also_when_the_prefix_makes_them() {
    let system = |of, name: &str| NameFault::System(of, format!("`{name}`")).into();
    check_username(
        &mapping(),
        &json!({"sub": "system:admin"}),
        Err(system(NameOf::User, "system:admin")),
    );
    let prefixed = UserClaims {
        prefix: "system:".to_owned(),
        ..mapping()
    };
    check_username(
        &prefixed,
        &json!({"sub": "a"}),
        Err(system(NameOf::User, "system:a")),
    );
    let split = UserClaims {
        prefix: "sys".to_owned(),
        ..mapping()
    };
    check_username(
        &split,
        &json!({"sub": "tem:a"}),
        Err(system(NameOf::User, "system:a")),
    );
    let authenticated = json!(["system:authenticated"]);
    check_groups(
        "",
        &authenticated,
        Err(system(NameOf::Group, "system:authenticated")),
    );
    let masters = json!(["a", "system:masters"]);
    check_groups("", &masters, Err(system(NameOf::Group, "system:masters")));
    check_groups("corp:", &masters, Ok(&["corp:a", "corp:system:masters"]));
}

#[test]
fn an_email_must_not_be_unverified() {
    let email = UserClaims {
        username: Text::Claim(name("email")),
        ..mapping()
    };
    let template = Text::parse_template("mail:{claim.email}").unwrap().unwrap();
    let template = UserClaims {
        username: template,
        ..mapping()
    };
    let refused = || Err(ClaimFault::NotVerified(EMAIL_VERIFIED.to_owned()));
    check_username(&email, &json!({"email": "a@b"}), Ok("a@b"));
    check_username(
        &email,
        &json!({"email": "a@b", "email_verified": true}),
        Ok("a@b"),
    );
    check_username(&template, &json!({"email": "a@b"}), Ok("mail:a@b"));
    for odd in [json!(false), json!(null), json!("true"), json!(1)] {
        let value = json!({"email": "a@b", "email_verified": odd, "sub": "ana"});
        check_username(&email, &value, refused());
        check_username(&template, &value, refused());
        check_username(&mapping(), &value, Ok("ana"));
    }
}

#[test]
fn a_vouching_claim_must_be_there_and_true() {
    let vouched = UserClaims {
        verified_by: Some(name("checked")),
        ..mapping()
    };
    let refused = || Err(ClaimFault::NotVerified("checked".to_owned()));
    check_username(&vouched, &json!({"sub": "ana", "checked": true}), Ok("ana"));
    check_username(&vouched, &json!({"sub": "ana"}), refused());
    for odd in [json!(false), json!("true"), json!(1), json!(null)] {
        check_username(&vouched, &json!({"sub": "ana", "checked": odd}), refused());
    }
}

#[test]
fn fills_templates_and_refuses_empty_parts() {
    let username = Text::parse_template("gha:{claim.owner}/{claim.repo.name}:x")
        .unwrap()
        .unwrap();
    let mapping = UserClaims {
        username,
        ..mapping()
    };
    let good = json!({"owner": "harbour", "repo": {"name": "shop"}});
    check_username(&mapping, &good, Ok("gha:harbour/shop:x"));
    let empty = json!({"owner": "", "repo": {"name": "shop"}});
    check_username(&mapping, &empty, Err(missing("owner")));
    check_username(&mapping, &json!({"owner": "h"}), Err(missing("repo.name")));
    for bad in [
        "",
        "plain",
        "{sub}",
        "{claim.sub",
        "claim.sub}",
        "{claim.a}{",
        "}{claim.a}",
        "{{claim.a}}",
    ] {
        assert!(Text::parse_template(bad).is_none(), "{bad}");
    }
    assert!(matches!(Text::parse_template("{claim.}"), Some(Err(_))));
}

fn check_groups(prefix: &str, value: &Value, expected: Result<&[&str], ClaimFault>) {
    let groups = GroupsClaim {
        claim: name("groups"),
        prefix: prefix.to_owned(),
    };
    let found = groups.read(&claims(&json!({ "groups": value })));
    let expected = expected.map(|groups| groups.iter().map(|g| (*g).to_owned()).collect());
    assert_eq!(found, expected, "{value}");
}

#[test]
fn reads_groups_as_a_string_or_a_list_of_strings() {
    check_groups(
        "corp:",
        &json!(["b", "a", "b"]),
        Ok(&["corp:b", "corp:a", "corp:b"]),
    );
    check_groups("", &json!("a,b"), Ok(&["a,b"]));
    check_groups("", &json!([]), Ok(&[]));
    for odd in [
        json!(null),
        json!(1),
        json!({"a": 1}),
        json!(["a", 1]),
        json!([["a"]]),
    ] {
        check_groups("", &odd, Err(wrong_type("groups")));
    }
    check_groups(
        "p:",
        &json!(["a", ""]),
        Err(NameFault::Empty(NameOf::Group).into()),
    );
    let many = vec!["g"; GROUP_COUNT_MAX];
    check_groups("", &json!(many), Ok(&many));
    let more = vec!["g"; GROUP_COUNT_MAX + 1];
    check_groups("", &json!(more), Err(NameFault::TooManyGroups.into()));
}

#[test]
fn refuses_groups_that_are_kept_elsewhere() {
    let groups = GroupsClaim {
        claim: name("groups"),
        prefix: String::new(),
    };
    let read = |value: Value| groups.read(&claims(&value));
    let elsewhere = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}});
    assert_eq!(
        read(elsewhere),
        Err(ClaimFault::Distributed("groups".to_owned()))
    );
    assert_eq!(
        read(json!({"_claim_names": 1})),
        Err(wrong_type("_claim_names"))
    );
    assert_eq!(read(json!({"_claim_names": {"roles": "src1"}})), Ok(vec![]));
    assert_eq!(read(json!({})), Ok(vec![]));
}

#[test]
fn a_uid_is_needed_of_the_token_but_not_of_a_nested_party() {
    let mapping = UserClaims {
        uid: Some(name("uid")),
        ..mapping()
    };
    let read = |value: Value, party| mapping.read(&claims(&value), party).map(|user| user.uid);
    let good = json!({"sub": "a", "uid": "7"});
    assert_eq!(read(good.clone(), Party::Token), Ok(Some("7".to_owned())));
    assert_eq!(read(good, Party::Nested), Ok(Some("7".to_owned())));
    assert_eq!(read(json!({"sub": "a"}), Party::Token), Err(missing("uid")));
    assert_eq!(read(json!({"sub": "a"}), Party::Nested), Ok(None));
    assert_eq!(
        read(json!({"sub": "a", "uid": 7}), Party::Nested),
        Err(wrong_type("uid"))
    );
    let empty = Err(NameFault::Empty(NameOf::Uid).into());
    assert_eq!(read(json!({"sub": "a", "uid": ""}), Party::Token), empty);
}

#[test]
fn extra_attributes_leave_out_what_is_empty() {
    let extra = BTreeMap::from([("x.example/t".to_owned(), name("team"))]);
    let mapping = UserClaims { extra, ..mapping() };
    let read = |value: Value| {
        let found = mapping.read(&claims(&json!({"sub": "a", "team": value})), Party::Token);
        found.map(|user| user.extra.into_values().next())
    };
    assert_eq!(read(json!("a")), Ok(Some(vec!["a".to_owned()])));
    assert_eq!(
        read(json!(["a", "", "b"])),
        Ok(Some(vec!["a".to_owned(), "b".to_owned()]))
    );
    assert_eq!(read(json!("")), Ok(None));
    assert_eq!(read(json!([])), Ok(None));
    assert_eq!(read(json!(1)), Err(wrong_type("team")));
    assert!(matches!(
        read(json!("a\nb")),
        Err(ClaimFault::Name(NameFault::Character(..)))
    ));
    let none = mapping
        .read(&claims(&json!({"sub": "a"})), Party::Token)
        .unwrap();
    assert!(none.extra.is_empty());
}

fn check_attribute(matching: Option<&str>, value: &Value, expected: Option<&[&str]>) {
    let matching = matching.map(|pattern| Pattern::parse(pattern).unwrap());
    let attribute = Attribute {
        name: "t".to_owned(),
        claim: name("t"),
        matching,
    };
    let found = attribute.read(&claims(&json!({ "t": value }))).unwrap();
    let expected = expected.map(|values| values.iter().map(|v| (*v).to_owned()).collect());
    assert_eq!(found, expected, "{value}");
}

#[test]
fn an_attribute_with_any_failing_value_is_missing() {
    let team = Some("^[a-z]+$");
    check_attribute(team, &json!("search"), Some(&["search"]));
    check_attribute(team, &json!(["a", "b"]), Some(&["a", "b"]));
    check_attribute(team, &json!(["a", "B"]), None);
    check_attribute(team, &json!("a\n"), None);
    check_attribute(None, &json!([]), None);
    check_attribute(None, &json!(["a", null]), None);
    check_attribute(None, &json!({"a": 1}), None);
    check_attribute(None, &json!([["a"]]), None);
    check_attribute(None, &json!(null), None);
}

#[test]
fn attributes_take_booleans_and_plain_integers_as_text() {
    check_attribute(None, &json!(true), Some(&["true"]));
    check_attribute(None, &json!([7, false]), Some(&["7", "false"]));
    for (written, expected) in [
        ("7", true),
        ("-7", true),
        ("7.0", false),
        ("7e0", false),
        ("-0", false),
    ] {
        let claims = parse_object(format!(r#"{{"t":{written}}}"#).as_bytes()).unwrap();
        let attribute = Attribute {
            name: "t".to_owned(),
            claim: name("t"),
            matching: None,
        };
        assert_eq!(
            attribute.read(&claims).unwrap().is_some(),
            expected,
            "{written}"
        );
    }
}

#[test]
fn expectations_hold_for_the_equal_string_only() {
    let expectation = Expectation {
        claim: name("env"),
        value: "prod".to_owned(),
    };
    let holds = |value: Value| expectation.holds(&claims(&value));
    assert_eq!(holds(json!({"env": "prod"})), Ok(()));
    let unexpected = Err(ClaimFault::Unexpected("env".to_owned()));
    assert_eq!(holds(json!({"env": "Prod"})), unexpected);
    assert_eq!(holds(json!({"env": ["prod"]})), Err(wrong_type("env")));
    assert_eq!(holds(json!({"env": true})), Err(wrong_type("env")));
    assert_eq!(holds(json!({})), Err(missing("env")));
}

proptest! {
    #[test]
    fn a_mapped_user_never_is_one_of_the_cluster(
        prefix in "(s|sys|system|system:|corp:)?", sub in any::<String>(),
        groups in proptest::collection::vec("(system:|s|em:)?[a-z]{0,4}", 0..4),
    ) {
        let mapping = UserClaims {
            prefix: prefix.clone(),
            groups: Some(GroupsClaim { claim: name("groups"), prefix }),
            ..mapping()
        };
        let value = json!({"sub": sub, "groups": groups});
        if let Ok(user) = mapping.read(&claims(&value), Party::Token) {
            let names = user.groups.iter().chain([&user.username]);
            prop_assert!(names.into_iter().all(|name| !name.starts_with("system:")));
        }
    }
}
