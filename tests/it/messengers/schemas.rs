//! The vendors' own schemas, read from their files, and outgoing requests held against them.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use wiremock::Request;

fn schema_file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/schemas/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

static TELEGRAM: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&schema_file("telegram-bot.json")).unwrap());

/// The method exists, every required field is there, no field is unknown, and every value has its type.
pub(super) fn check_telegram(request: &Request) {
    let name = request.url.path().rsplit('/').next().unwrap();
    let body = match serde_json::from_slice::<Value>(&request.body) {
        Ok(body) => body,
        Err(_) => Value::Object(form_fields(request)),
    };
    check_telegram_call(name, &body);
}

/// The same for a call that rides on an answer of ours.
pub(super) fn check_telegram_call(name: &str, body: &Value) {
    let method = TELEGRAM["methods"].get(name).unwrap_or_else(|| panic!("no method {name}"));
    check_fields(&method["fields"], body, name);
}

fn check_fields(fields: &Value, body: &Value, what: &str) {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    for field in fields.iter().filter(|field| field["required"] == true) {
        assert!(body.get(field["name"].as_str().unwrap()).is_some(), "{what} misses {}", field["name"]);
    }
    for (name, value) in body.as_object().unwrap_or_else(|| panic!("{what} is no object")) {
        let field =
            fields.iter().find(|field| field["name"] == *name).unwrap_or_else(|| panic!("{what}.{name} is unknown"));
        let types = field["types"].as_array().unwrap();
        assert!(
            types.iter().any(|kind| is_of(kind.as_str().unwrap(), value)),
            "{what}.{name} is {value}, not {types:?}"
        );
    }
}

/// Whether a value has the fields of a type and no others.
fn has_fields(named: &str, value: &Value) -> bool {
    let fields = TELEGRAM["types"][named]["fields"].as_array().cloned().unwrap_or_default();
    let known = |name: &String| fields.iter().any(|field| field["name"] == *name);
    let needed = fields.iter().filter(|field| field["required"] == true);
    value.as_object().is_some_and(|object| object.keys().all(known))
        && needed.into_iter().all(|field| value.get(field["name"].as_str().unwrap()).is_some())
}

fn is_of(kind: &str, value: &Value) -> bool {
    if let Some(inner) = kind.strip_prefix("Array of ") {
        return value.as_array().is_some_and(|elements| elements.iter().all(|element| is_of(inner, element)));
    }
    match kind {
        "Integer" => value.is_i64(),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "Boolean" => value.is_boolean(),
        // a part with a file name in a form, or an address or id as a string
        "InputFile" => value == "<file>",
        named => {
            if !value.is_object() {
                return false;
            }
            // one of several shapes is told by the fields that it has
            let shapes = TELEGRAM["types"][named]["subtypes"].as_array().cloned().unwrap_or_else(|| vec![json!(named)]);
            let named =
                shapes.iter().filter_map(Value::as_str).find(|shape| shapes.len() == 1 || has_fields(shape, value));
            let Some(named) = named else { return false };
            check_fields(&TELEGRAM["types"][named]["fields"], value, named);
            true
        }
    }
}

/// Names and values of a multipart body; values that are JSON are read, and files are only named.
fn form_fields(request: &Request) -> Map<String, Value> {
    let kind = request.headers.get("content-type").unwrap_or_else(|| panic!("no form: {request:?}")).to_str().unwrap();
    let boundary = kind.split("boundary=").nth(1).unwrap().to_owned();
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let mut fields = Map::new();
    for part in body.split(&format!("--{boundary}")).filter(|part| part.contains("\r\n\r\n")) {
        let (head, value) = part.trim_start_matches("\r\n").split_once("\r\n\r\n").unwrap();
        let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let value = value.strip_suffix("\r\n").unwrap();
        let read = if head.contains("filename") {
            assert!(head.to_lowercase().contains("content-type: "), "{head}");
            json!("<file>")
        } else {
            serde_json::from_str(value).unwrap_or_else(|_| json!(value))
        };
        fields.insert(name.to_owned(), read);
    }
    fields
}

static WABA_FILE: LazyLock<Value> = LazyLock::new(|| serde_yaml_ng::from_str(&schema_file("waba-v23.0.yaml")).unwrap());

static WABA: LazyLock<Value> = LazyLock::new(|| {
    let mut schemas = WABA_FILE["components"]["schemas"].clone();
    mend(&mut schemas);
    schemas
});

/// The published file cannot be used as it is: where it contradicts itself or what was published since, it is mended here.
fn mend(schemas: &mut Value) {
    // a footnote's marks became a pattern
    for name in ["TemplateComponent", "ButtonComponent"] {
        let text = schemas[name].to_string().replace("^[2-6, 11-14]$", "^[0-9]$");
        // copy_code is in the guide only
        let text = text.replace("\"url\",\"catalog\"", "\"url\",\"copy_code\",\"catalog\"");
        schemas[name] = serde_json::from_str(&text).unwrap();
    }
    schemas["ButtonParameterObject"]["properties"]["type"]["enum"] = json!(["payload", "text", "coupon_code"]);
    schemas["ButtonParameterObject"]["discriminator"]["mapping"]["coupon_code"] = json!("#/components/schemas/Coupon");
    schemas["Coupon"] = json!({"type": "object", "required": ["type", "coupon_code"]});
    // required here, and left out in every example of the same file
    schemas["LanguageObject"]["required"] = json!(["code"]);
    // either a phone or the id of a person; newer than the file
    schemas["BaseMessageProperties"]["required"] = json!(["messaging_product", "recipient_type", "type"]);
    schemas["BaseMessageProperties"]["properties"]["recipient"] = json!({"type": "string"});
    schemas["BaseMessageProperties"]["properties"]["biz_opaque_callback_data"] =
        json!({"type": "string", "maxLength": 512});
    schemas["MediaObject"]["properties"] = json!({
        "id": {"type": "string"}, "link": {"type": "string"}, "caption": {"type": "string", "maxLength": 1024},
        "filename": {"type": "string"}, "voice": {"type": "boolean"},
    });
    schemas["MediaObject"]["additionalProperties"] = json!(false);
    // newer than the file: buttons of addresses; and the guide gives lists a longer text
    schemas["InteractiveObject"]["properties"]["type"]["enum"] = json!(["button", "list", "cta_url"]);
    schemas["ActionObject"]["oneOf"].as_array_mut().unwrap().push(json!({
        "required": ["name", "parameters"],
        "properties": {"name": {"type": "string", "enum": ["cta_url"]}, "parameters": {
            "type": "object", "required": ["display_text", "url"], "additionalProperties": false,
            "properties": {"display_text": {"type": "string", "maxLength": 20}, "url": {"type": "string", "maxLength": 2000}},
        }},
    }));
    schemas["BodyObject"]["properties"]["text"]["maxLength"] = json!(4096);
    for name in ["InteractiveObject", "HeaderObject", "BodyObject", "FooterObject", "SectionObject"] {
        schemas[name]["additionalProperties"] = json!(false);
    }
    // arrays of things that are told apart by their type
    let mapped: Vec<(String, Value)> = ["TemplateComponent", "ParameterObject", "ButtonParameterObject"]
        .into_iter()
        .map(|name| {
            let mapping = schemas[name]["discriminator"]["mapping"].as_object().unwrap();
            let any: Vec<Value> = mapping.values().map(|at| json!({"$ref": at})).collect();
            (format!("#/components/schemas/{name}"), json!({"anyOf": any}))
        })
        .collect();
    tell_apart(schemas, &mapped);
}

fn tell_apart(value: &mut Value, mapped: &[(String, Value)]) {
    match value {
        Value::Object(fields) => {
            let at = fields.get("items").map(|items| items["$ref"].clone());
            if let Some((_, any)) = mapped.iter().find(|(name, _)| at.as_ref().is_some_and(|at| at == name)) {
                fields.insert("items".to_owned(), any.clone());
            }
            fields.values_mut().for_each(|inner| tell_apart(inner, mapped));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|inner| tell_apart(inner, mapped)),
        _ => {}
    }
}

/// A message is held against the schema of its type, an upload against the three fields that the guide names.
pub(super) fn check_waba(request: &Request) {
    assert_eq!(request.headers["authorization"], "Bearer EAAtoken-of-the-system-user");
    if request.url.path().ends_with("/media") {
        let fields = form_fields(request);
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["messaging_product", "type", "file"]);
        return;
    }
    check_waba_message(&serde_json::from_slice(&request.body).unwrap());
}

/// A call about groups: the address exists, its parameters are known, and the body fits. That the address to join by is asked for is in
/// the guide alone.
pub(super) fn check_waba_group(request: &Request) {
    assert_eq!(request.headers["authorization"], "Bearer EAAtoken-of-the-system-user");
    let parts: Vec<&str> = request.url.path().trim_start_matches('/').split('/').collect();
    let (path, verb) = match parts[..] {
        [_, "groups"] => ("/{Version}/{Phone-Number-ID}/groups", request.method.as_str().to_lowercase()),
        [_, "invite_link"] if request.method.as_str() == "GET" => return,
        [_] => ("/{Version}/{group_id}", request.method.as_str().to_lowercase()),
        _ => panic!("no {parts:?}"),
    };
    let operation = &WABA_FILE["paths"][path][&verb];
    assert!(operation.is_object(), "no {verb} {path}");
    let known = operation["parameters"].as_array().cloned().unwrap_or_default();
    for (name, _) in request.url.query_pairs() {
        let names = |parameter: &&Value| parameter["in"] == "query" && parameter["name"] == *name;
        assert!(known.iter().any(|parameter| names(&parameter)), "{path} knows no {name}");
    }
    let Some(told) = operation.get("requestBody") else {
        assert!(request.body.is_empty(), "{path} takes no body");
        return;
    };
    let mut schema = told["content"]["application/json"]["schema"].clone();
    schema["additionalProperties"] = json!(false);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{body}: {errors:?}");
}

pub(super) fn check_waba_message(body: &Value) {
    let at = WABA["Message"]["discriminator"]["mapping"][body["type"].as_str().unwrap()].as_str().unwrap();
    let branches = WABA[at.rsplit('/').next().unwrap()]["allOf"].as_array().unwrap();
    // both branches forbid what they do not name, so nothing would fit both: their fields are joined
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for branch in [&WABA["BaseMessageProperties"], &branches[1]] {
        properties.extend(branch["properties"].as_object().unwrap().clone());
        required.extend(branch["required"].as_array().unwrap().clone());
    }
    let schema = json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        "components": {"schemas": *WABA},
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{error} at {}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{body}: {errors:?}");
    assert!(body.get("to").is_some() != body.get("recipient").is_some(), "{body}");
}

static WAHA: LazyLock<Value> = LazyLock::new(|| {
    let mut file: Value = serde_json::from_str(&schema_file("waha.json")).unwrap();
    mend_waha(&mut file["components"]["schemas"]);
    file
});

/// The published file calls some texts and events objects, and forbids nothing: unknown fields are mistakes here.
fn mend_waha(schemas: &mut Value) {
    let events = schemas["WAHAWebhookSessionStatus"]["properties"]["event"]["enum"].clone();
    schemas["WebhookConfig"]["properties"]["events"]["items"] = json!({"type": "string", "enum": events});
    for name in ["VoiceBinaryFile", "VoiceRemoteFile", "VideoBinaryFile", "VideoRemoteFile"] {
        for field in ["mimetype", "filename"] {
            if schemas[name]["properties"].get(field).is_some() {
                schemas[name]["properties"][field] = json!({"type": "string"});
            }
        }
    }
    for schema in schemas.as_object_mut().unwrap().values_mut().filter(|schema| schema.get("properties").is_some()) {
        schema["additionalProperties"] = json!(false);
    }
}

/// The address exists, its parameters are known and complete, and the body fits.
pub(super) fn check_waha(request: &Request) {
    assert_eq!(request.headers["x-api-key"], super::wire::VENDOR_KEY);
    let parts: Vec<&str> = request.url.path().split('/').collect();
    let fits = |template: &String| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len()
            && template.iter().zip(&parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let paths = WAHA["paths"].as_object().unwrap();
    let verb = request.method.as_str().to_lowercase();
    // an address without variables goes before one that happens to fit
    let found = paths.iter().filter(|(path, of)| fits(path) && of.get(&verb).is_some());
    let (path, of) =
        found.min_by_key(|(path, _)| path.matches('{').count()).unwrap_or_else(|| panic!("no {verb} {parts:?}"));
    let operation = &of[&verb];
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let asked: Vec<String> = request.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let of_query = |parameter: &&Value| parameter["in"] == "query";
    for parameter in parameters.iter().filter(of_query).filter(|parameter| parameter["required"] == true) {
        assert!(asked.iter().any(|name| parameter["name"] == *name), "{path} misses {}", parameter["name"]);
    }
    for name in &asked {
        assert!(
            parameters.iter().filter(of_query).any(|parameter| parameter["name"] == *name),
            "{path} knows no {name}"
        );
    }
    match operation.get("requestBody") {
        None => assert!(request.body.is_empty(), "{path} takes no body"),
        Some(told) => check_waha_body(path, &told["content"]["application/json"]["schema"], &request.body),
    }
}

fn check_waha_body(path: &str, schema: &Value, body: &[u8]) {
    let body: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut schema = schema.clone();
    schema["components"] = WAHA["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{error} at {}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{path}: {body}: {errors:?}");
}

#[test]
fn the_schema_of_the_gateway_refuses_what_it_should() {
    let schema = &WAHA["paths"]["/api/sendText"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let good = json!({"session": "a", "chatId": "1@c.us", "text": "x", "id": "3EB0"});
    check_waha_body("/api/sendText", schema, good.to_string().as_bytes());
    for (field, bad) in [("text", json!(1)), ("chatId", Value::Null), ("txt", json!("x"))] {
        let mut body = good.clone();
        body[field] = bad;
        let refused =
            std::panic::catch_unwind(|| check_waha_body("/api/sendText", schema, body.to_string().as_bytes()));
        assert!(refused.is_err(), "{field}");
    }
}

#[test]
fn the_schemas_themselves_tell_good_from_bad() {
    let text = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+1", "type": "text",
        "text": {"body": "x"}});
    check_waba_message(&text);
    let button =
        json!({"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "x"}]});
    let mut template = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+1",
        "type": "template", "template": {"name": "x", "language": {"code": "ru"}, "components": [button]}});
    check_waba_message(&template);
    let fails = |body: &Value| std::panic::catch_unwind(|| check_waba_message(body)).is_err();
    for (at, bad) in [("/text/body", json!(1)), ("/recipient_type", json!("nobody")), ("/text", json!({"bodie": "x"}))]
    {
        let mut body = text.clone();
        *body.pointer_mut(at).unwrap() = bad;
        assert!(fails(&body), "{at}");
    }
    for (at, bad) in [("index", json!("10")), ("sub_type", json!("link")), ("parameters", json!([{"type": "text"}]))] {
        let mut body = template.clone();
        body["template"]["components"][0][at] = bad;
        assert!(fails(&body), "{at}");
    }
    template["template"]["name"].take();
    assert!(fails(&template));
    let fields = &TELEGRAM["methods"]["sendMessage"]["fields"];
    check_fields(fields, &json!({"chat_id": 1, "text": "x", "reply_parameters": {"message_id": 5}}), "sendMessage");
    for bad in [
        json!({"chat_id": 1}),
        json!({"chat_id": 1.5, "text": "x"}),
        json!({"chat_id": 1, "text": "x", "txt": "x"}),
        json!({"chat_id": 1, "text": "x", "reply_parameters": {"message": 5}}),
    ] {
        assert!(std::panic::catch_unwind(|| check_fields(fields, &bad, "sendMessage")).is_err(), "{bad}");
    }
}
