//! The console in a real browser: answers from request to rollout, by keyboard alone, with and
//! without script, in light and dark; and hostile text that stays text.

use std::time::Duration;

use serde_json::json;
use toolgate::governance::approval::Status;

use crate::console::{HOSTILE, Served, id_in};
use crate::web_driver::{Browser, ENTER};

/// Longer than anything here takes that nobody waits for on purpose.
const SOON: Duration = Duration::from_secs(30);

fn sign_in(browser: &Browser, served: &Served) -> String {
    let url = served.login_url();
    browser.open(&url);
    assert_eq!(browser.text("h1"), "Toolgate console");
    // The button has the focus already.
    browser.press(ENTER);
    browser.wait_for("h1", "Requests", SOON);
    url.split_once("/login").unwrap().0.to_owned()
}

/// What every page has to have, beside what it says.
const FAULTS: &str = r#"
    const faults = [];
    const one = (what) => {
        const n = document.querySelectorAll(what).length;
        if (n !== 1) faults.push(`${n} of ${what}`);
    };
    ["html[lang=en]", "title", "h1", "main#main", "header", "a.skip[href='#main']"].forEach(one);
    for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select")) {
        if (!field.labels.length) faults.push(`no label: ${field.outerHTML}`);
    }
    for (const cell of document.querySelectorAll("th:not([scope])")) faults.push(cell.outerHTML);
    for (const part of document.querySelectorAll("[aria-labelledby]")) {
        if (!document.getElementById(part.getAttribute("aria-labelledby"))) faults.push(part.outerHTML);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of ids) if (ids.filter((other) => other === id).length > 1) faults.push(`twice: ${id}`);
    const light = (color) => {
        const [r, g, b] = color.map((c) => c / 255).map(
            (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const numbers = (text) => text.match(/[\d.]+/g).map(Number);
    const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const color = numbers(getComputedStyle(e).backgroundColor);
            if (color.length < 4 || color[3] === 1) return color.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.offsetParent) continue;
        const [a, b] = [light(numbers(getComputedStyle(element).color).slice(0, 3)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${element.outerHTML.slice(0, 120)}`);
    }
    if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
    return faults;
"#;

fn check_page(browser: &Browser) {
    for scheme in ["dark", "light"] {
        browser.scheme(scheme);
        let faults = browser.run(FAULTS);
        assert_eq!(faults, json!([]), "{} in {scheme}", browser.path());
    }
    assert_eq!(browser.complaints(), Vec::<String>::new(), "{}", browser.path());
    assert!(!browser.has_dialogue());
}

#[test]
fn an_approval_goes_from_request_to_rollout_by_keyboard_alone() {
    let Some(browser) = Browser::start(&[]) else { return };
    let served = Served::start("");
    sign_in(&browser, &served);
    assert_eq!(browser.title(), "Requests · Toolgate");
    assert_eq!(browser.text("#pending"), "Nothing waits for an answer.");

    // It comes to the page that is open.
    let id = served.request("OOMKilled since the new image, and it leaks");
    browser.wait_for("#pending", "restart Deployment shop/checkout", SOON);
    assert_eq!(browser.title(), "(1) Requests · Toolgate");
    check_page(&browser);
    browser.picture("requests-light");

    browser.tab_to("a.skip");
    browser.press(ENTER);
    browser.tab_to("#pending a");
    browser.press(ENTER);
    browser.wait_for("h1", "restart Deployment shop/checkout in demo", SOON);
    assert_eq!(browser.path(), format!("/requests/{id}"));
    let page = browser.text("main");
    for fact in [
        "kubectl.kubernetes.io/restartedAt",
        "replaces 3 pods",
        "checkout-7d9f8b6c54-qp7rj",
        "at least 1 replica",
        "Disruption budgets",
        "allows no disruption now",
        "anonymous@loopback",
        "“OOMKilled since the new image, and it leaks”",
    ] {
        assert!(page.contains(fact), "{fact} in {page}");
    }
    check_page(&browser);
    browser.picture("request-light");
    browser.scheme("dark");
    browser.picture("request-dark");
    browser.scheme("light");

    // Enter in the reason answers nothing.
    browser.tab_to("#reason");
    browser.press(&format!("incident 4711{ENTER}"));
    assert_eq!(served.status(&id), Status::Pending);
    browser.tab_to("button.approve");
    browser.press(ENTER);
    browser.wait_for("#state", "approved by ada", SOON);
    browser.wait_for("#state", "executed", SOON);
    assert!(browser.text("#state").contains("incident 4711"));
    assert_eq!(browser.text("#answer-part"), "");
    check_page(&browser);
    browser.picture("executed-light");

    let arguments = json!({"namespace": "shop", "deployment_name": "checkout"});
    let answer = served.call("suite", "restart_deployment", arguments);
    assert!(answer.contains("\"outcome\":\"performed\""), "{answer}");
    assert!(answer.contains("all 3 replicas are up to date"), "{answer}");
}

#[test]
fn a_denial_is_told_to_the_caller_and_an_expired_request_cannot_be_answered() {
    let Some(browser) = Browser::start(&[]) else { return };
    let served = Served::start("[approvals]\nexpires_after_s = 60\n");
    let base = sign_in(&browser, &served);
    let scale = json!({"namespace": "shop", "deployment_name": "checkout", "replicas": 5});
    let lapses = id_in(&served.call("suite", "scale_deployment", scale));

    let id = served.request("it leaks");
    browser.open(&format!("{base}/requests/{id}"));
    browser.tab_to("#reason");
    browser.press("wait for the rollout");
    browser.tab_to("button.deny");
    browser.press(ENTER);
    browser.wait_for("#state", "denied by ada", SOON);
    check_page(&browser);
    let arguments = json!({"namespace": "shop", "deployment_name": "checkout"});
    let answer = served.call("suite", "restart_deployment", arguments);
    assert!(answer.contains("the operator said no: wait for the rollout"), "{answer}");

    // The page is open when the time is over; the form goes, and would be of no use.
    browser.open(&format!("{base}/requests/{lapses}"));
    let form = browser.run(
        "const f = document.querySelector('form[action$=answer]');
         return new URLSearchParams(new FormData(f)).toString() + '&answer=approve'",
    );
    browser.wait_for("#state", "expired", Duration::from_secs(90));
    assert_eq!(browser.text("#answer-part"), "");
    let late = browser.run(&format!(
        "const r = new XMLHttpRequest();
         r.open('POST', '/requests/{lapses}/answer', false);
         r.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
         r.send({form});
         return [r.status, r.responseText.includes('expired already')]"
    ));
    assert_eq!(late, json!([409, true]));
    assert_eq!(browser.complaints().len(), 1, "the browser tells of every answer that is an error");
    assert_eq!(served.status(&lapses), Status::Expired);
    browser.open(&format!("{base}/requests/{lapses}"));
    check_page(&browser);
    browser.picture("expired-light");
    browser.open(&format!("{base}/history"));
    let history = browser.text("#history");
    for fact in ["expired", "denied", "no, ada@os: “wait for the rollout”"] {
        assert!(history.contains(fact), "{fact} in {history}");
    }
    check_page(&browser);
    browser.picture("history-light");
}

#[test]
fn hostile_text_stays_text_and_every_page_can_be_read() {
    let Some(browser) = Browser::start(&[]) else { return };
    let served = Served::start("[plugins.pods.limits]\noutput_bytes_max = 1500\n");
    served.call("claude-code", "list_pods", json!({"namespace": "shop"}));
    served.call(HOSTILE, "get_pod_status", json!({"namespace": "shop", "pod_name": HOSTILE}));
    served.call("claude-code", "list_failing_pods", json!({"namespace": "shop"}));
    let id = served.request(HOSTILE);
    let base = sign_in(&browser, &served);
    browser.open(&format!("{base}/trail"));
    browser.wait_for("#live-state", "live", SOON);
    let calls = browser.run(
        "return [...document.querySelectorAll('#calls a[href^=\"/calls/\"]')].map((a) => a.pathname)",
    );
    let calls = calls.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
    let mut pages: Vec<_> = calls.collect();
    assert_eq!(pages.len(), 4);
    pages.extend(["/", "/trail", "/plugins", "/limits", "/nowhere"].map(str::to_owned));
    pages.push(format!("/requests/{id}"));
    for page in &pages {
        browser.open(&format!("{base}{page}"));
        if page == "/nowhere" {
            // The browser tells of every answer that is an error.
            assert_eq!(browser.complaints().len(), 1);
        } else {
            check_page(&browser);
        }
        let grown =
            "return document.querySelectorAll('main img, main script, main b:not(.odd)').length";
        assert_eq!(browser.run(grown), 0, "{page}");
        assert_eq!(browser.run("return document.scripts.length"), 1, "{page}");
    }
    browser.open(&format!("{base}/trail"));
    let trail = browser.text("#calls");
    assert!(trail.contains("<script>alert(1)</script>"), "{trail}");
    for odd in ["U+202E", "U+200B", "U+001B"] {
        assert!(trail.contains(odd), "{odd} in {trail}");
    }
    // A call that comes in while somebody looks.
    served.call("claude-code", "list_pods", json!({"namespace": "bank"}));
    browser.wait_for("#calls", "namespace=bank", SOON);
    browser.scheme("dark");
    browser.picture("trail-dark");
    browser.scheme("light");
    for page in ["plugins", "limits"] {
        browser.open(&format!("{base}/{page}"));
        let said = browser.text("main");
        assert!(page != "limits" || said.contains("limit-exceeded"), "{said}");
        browser.picture(&format!("{page}-light"));
    }
}

#[test]
fn without_script_everything_still_works() {
    let Some(browser) = Browser::start(&["--blink-settings=scriptEnabled=false"]) else { return };
    let served = Served::start("");
    let id = served.request("it leaks");
    let base = sign_in(&browser, &served);
    assert!(browser.text("#pending").contains("restart Deployment shop/checkout"));
    browser.click("#pending a");
    browser.click("button.approve");
    browser.wait_for("#state", "by ada", SOON);
    browser.open(&format!("{base}/trail"));
    browser.click("#only option[value=writes]");
    browser.click(".filter button");
    browser.wait_for("#calls", "restart_deployment", SOON);
    browser.open(&format!("{base}/requests/{id}"));
    assert!(!browser.text("#state").contains("pending"));
    browser.click(".who button");
    browser.wait_for("h1", "Toolgate console", SOON);
    browser.open(&format!("{base}/trail"));
    assert_eq!(browser.path(), "/login");
}
