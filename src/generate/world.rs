//! The products, what people do with them, and where they come from: data, not code.

/// How a producer writes `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeStyle {
    /// `2026-11-24T07:11:12.345Z`
    Utc,
    /// `2026-11-24T08:11:12.345+01:00`
    Offset,
    /// `1795504272345`
    Millis,
}

pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) weight: u32,
    /// Share of visits without a `user_id`.
    pub(super) anonymous: f64,
    pub(super) style: TimeStyle,
    pub(super) platforms: &'static [Platform],
    pub(super) tasks: &'static [Task],
    /// Indexes of the tasks that people do one after the other.
    pub(super) path: &'static [u8],
    /// A new version is released this often, and takes this long to reach everyone.
    pub(super) release_hours: i64,
    pub(super) rollout_hours: i64,
    pub(super) segments: &'static [&'static str],
    pub(super) categories: &'static [&'static str],
}

pub(super) struct Platform {
    pub(super) name: &'static str,
    pub(super) channel: &'static str,
    pub(super) weight: u32,
    /// Median latency of an interaction.
    pub(super) latency_ms: f64,
    /// Goes offline now and then.
    pub(super) mobile: bool,
}

pub(super) struct Task {
    pub(super) name: &'static str,
    pub(super) weight: u32,
    pub(super) success: f64,
    /// Of the rest: given up, and given up without a word; what is left fails.
    pub(super) abandoned: f64,
    pub(super) silent: f64,
    /// Mean number of errors per attempt.
    pub(super) errors: f64,
    /// Median and spread of the time on task.
    pub(super) seconds: f64,
    pub(super) sigma: f64,
    pub(super) clicks: f64,
    pub(super) faults: &'static [Fault],
    pub(super) targets: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) severity: &'static str,
    pub(super) message: &'static str,
}

const fn fault(code: &'static str, severity: &'static str, message: &'static str) -> Fault {
    Fault { code, severity, message }
}

const fn platform(name: &'static str, channel: &'static str, weight: u32, latency_ms: f64, mobile: bool) -> Platform {
    Platform {
        name,
        channel,
        weight,
        latency_ms,
        mobile,
    }
}

const NETWORK: Fault = fault("network_timeout", "minor", "no answer within 10 s");
const CRASH: Fault = fault("crash", "fatal", "SIGSEGV at 0x0000000000000010");
const INTERNAL: Fault = fault("internal", "major", "500: {\"cause\":\"upstream reset\"}");

/// What every attempt meets while its task is down.
pub(super) const OUTAGE: Fault = fault("service_unavailable", "fatal", "503 from the payment gateway");

pub(super) const PRODUCTS: &[Product] = &[SHOP, BANK, DOCS];

const SHOP: Product = Product {
    name: "shop",
    weight: 52,
    anonymous: 0.18,
    style: TimeStyle::Utc,
    platforms: &[
        platform("ios", "app", 38, 160.0, true),
        platform("android", "app", 34, 210.0, true),
        platform("web", "web", 28, 260.0, false),
    ],
    tasks: &[
        Task {
            name: "search",
            weight: 34,
            success: 0.91,
            abandoned: 0.55,
            silent: 0.3,
            errors: 0.04,
            seconds: 14.0,
            sigma: 0.6,
            clicks: 3.0,
            faults: &[NETWORK, fault("no_results", "minor", "nothing found")],
            targets: &["search-box", "filter", "result-card"],
        },
        Task {
            name: "add_to_cart",
            weight: 24,
            success: 0.95,
            abandoned: 0.5,
            silent: 0.3,
            errors: 0.03,
            seconds: 8.0,
            sigma: 0.5,
            clicks: 2.0,
            faults: &[NETWORK, fault("out_of_stock", "major", "size \"M\" is sold out")],
            targets: &["size", "colour", "add-button"],
        },
        Task {
            name: "checkout",
            weight: 22,
            success: 0.86,
            abandoned: 0.5,
            silent: 0.35,
            errors: 0.14,
            seconds: 75.0,
            sigma: 0.55,
            clicks: 6.0,
            faults: &[
                NETWORK,
                fault("payment_declined", "major", "issuer said 51"),
                fault("bad_address", "minor", "postcode?"),
                CRASH,
            ],
            targets: &["address", "payment", "voucher", "pay-button"],
        },
        Task {
            name: "track_order",
            weight: 12,
            success: 0.93,
            abandoned: 0.6,
            silent: 0.5,
            errors: 0.05,
            seconds: 20.0,
            sigma: 0.7,
            clicks: 2.0,
            faults: &[NETWORK, INTERNAL],
            targets: &["orders", "parcel"],
        },
        Task {
            name: "return_item",
            weight: 8,
            success: 0.78,
            abandoned: 0.6,
            silent: 0.3,
            errors: 0.16,
            seconds: 110.0,
            sigma: 0.6,
            clicks: 7.0,
            faults: &[INTERNAL, fault("label_failed", "major", "no label from the carrier")],
            targets: &["reason", "label", "pickup"],
        },
    ],
    path: &[0, 1, 2],
    release_hours: 72,
    rollout_hours: 30,
    segments: &["new", "regular", "family", "bargain-hunter"],
    categories: &["delivery", "payment", "returns", "account"],
};

const BANK: Product = Product {
    name: "bank-app",
    weight: 30,
    anonymous: 0.0,
    style: TimeStyle::Offset,
    platforms: &[
        platform("ios", "app", 42, 190.0, true),
        platform("android", "app", 45, 230.0, true),
        platform("web", "web", 13, 300.0, false),
    ],
    tasks: &[
        Task {
            name: "login",
            weight: 46,
            success: 0.965,
            abandoned: 0.35,
            silent: 0.4,
            errors: 0.05,
            seconds: 9.0,
            sigma: 0.45,
            clicks: 2.0,
            faults: &[
                NETWORK,
                fault("wrong_pin", "minor", "2 tries left"),
                fault("biometry_failed", "minor", "face not recognized"),
            ],
            targets: &["pin", "face-id", "login-button"],
        },
        Task {
            name: "transfer",
            weight: 30,
            success: 0.92,
            abandoned: 0.5,
            silent: 0.3,
            errors: 0.08,
            seconds: 48.0,
            sigma: 0.5,
            clicks: 5.0,
            faults: &[
                INTERNAL,
                fault("limit_exceeded", "major", "daily limit of 5\u{202f}000 €"),
                fault("tan_expired", "minor", "ask anew"),
            ],
            targets: &["recipient", "amount", "tan", "confirm"],
        },
        Task {
            name: "pay_bill",
            weight: 16,
            success: 0.89,
            abandoned: 0.5,
            silent: 0.3,
            errors: 0.1,
            seconds: 60.0,
            sigma: 0.6,
            clicks: 5.0,
            faults: &[fault("scan_failed", "minor", "IBAN not readable"), INTERNAL, CRASH],
            targets: &["scan", "iban", "confirm"],
        },
        Task {
            name: "open_account",
            weight: 8,
            success: 0.64,
            abandoned: 0.75,
            silent: 0.35,
            errors: 0.3,
            seconds: 260.0,
            sigma: 0.5,
            clicks: 14.0,
            faults: &[fault("id_check_failed", "major", "document\\passport: glare"), NETWORK],
            targets: &["form", "id-photo", "video-call", "sign"],
        },
    ],
    path: &[0, 1],
    release_hours: 168,
    rollout_hours: 60,
    segments: &["student", "private", "business"],
    categories: &["card", "transfer", "access", "fees"],
};

const DOCS: Product = Product {
    name: "docs",
    weight: 18,
    anonymous: 0.55,
    style: TimeStyle::Millis,
    platforms: &[
        platform("web", "web", 88, 120.0, false),
        platform("desktop", "app", 12, 90.0, false),
    ],
    tasks: &[
        Task {
            name: "find_article",
            weight: 58,
            success: 0.84,
            abandoned: 0.8,
            silent: 0.7,
            errors: 0.02,
            seconds: 35.0,
            sigma: 0.8,
            clicks: 4.0,
            faults: &[fault("broken_link", "minor", "404: /guide/set\u{2011}up")],
            targets: &["search-box", "toc", "link"],
        },
        Task {
            name: "copy_sample",
            weight: 32,
            success: 0.94,
            abandoned: 0.5,
            silent: 0.6,
            errors: 0.02,
            seconds: 25.0,
            sigma: 0.7,
            clicks: 2.0,
            faults: &[fault("clipboard_denied", "minor", "NotAllowedError")],
            targets: &["copy-button", "tab"],
        },
        Task {
            name: "submit_edit",
            weight: 10,
            success: 0.73,
            abandoned: 0.6,
            silent: 0.3,
            errors: 0.12,
            seconds: 180.0,
            sigma: 0.7,
            clicks: 6.0,
            faults: &[fault("conflict", "major", "page changed meanwhile"), INTERNAL],
            targets: &["edit", "preview", "submit"],
        },
    ],
    path: &[0, 1],
    release_hours: 24,
    rollout_hours: 1,
    segments: &[],
    categories: &["content", "account"],
};

pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) weight: u32,
    pub(super) currency: &'static str,
    /// What one unit of the price list costs there.
    pub(super) price: f64,
    /// Minutes east of UTC, for producers that write local time.
    pub(super) offset_minutes: i32,
}

const fn country(code: &'static str, weight: u32, currency: &'static str, price: f64, offset_minutes: i32) -> Country {
    Country {
        code,
        weight,
        currency,
        price,
        offset_minutes,
    }
}

pub(super) const COUNTRIES: &[Country] = &[
    country("DE", 26, "EUR", 1.0, 60),
    country("FR", 16, "EUR", 1.0, 60),
    country("GB", 14, "GBP", 0.86, 0),
    country("US", 20, "USD", 1.1, -300),
    country("SE", 6, "SEK", 11.3, 60),
    country("IN", 10, "INR", 98.0, 330),
    country("JP", 8, "JPY", 160.0, 540),
];

/// The first is free.
pub(super) const PLANS: &[&str] = &["free", "basic", "pro", "business"];

pub(super) const EXPERIMENTS: &[&str] = &["control", "one-page-checkout", "new-search"];

pub(super) const PRAISE: &[&str] = &[
    "Works like a charm",
    "Schnell und übersichtlich, danke!",
    "Très pratique 👍",
    "検索が速くて助かります",
    "Finally \"one click\" means one click",
    "10/10\nwould buy again",
    "Love the new design 😍 — keep it up",
];

pub(super) const COMPLAINTS: &[&str] = &[
    "Checkout hangs at 99 %",
    "App stürzt beim Bezahlen ab 😡",
    "I had to enter my address\tthree times",
    "Ça ne marche pas du tout…",
    "The \"Pay\" button does nothing (path C:\\temp\\log.txt)",
    "決済エラーが出ます",
    "Nobody answers. Nobody.\nCancelling.",
    "slower after every update",
];

pub(super) const REASONS_GIVEN_UP: &[&str] = &["too slow", "too many steps", "price changed", "wrong page", "will do it later"];

pub(super) const REASONS_LEFT: &[&str] = &[
    "too expensive",
    "switched to a competitor",
    "too many errors",
    "no longer needed",
    "bad \"support\"",
];

/// Event volume by hour of day in UTC, before it is scaled to a mean of one.
pub(super) const HOURS: [f64; 24] = [
    0.42, 0.34, 0.30, 0.30, 0.36, 0.50, 0.74, 0.98, 1.12, 1.18, 1.20, 1.24, 1.30, 1.22, 1.16, 1.18, 1.26, 1.40, 1.56, 1.66, 1.62, 1.36,
    0.98, 0.62,
];

/// Volume by day of week from Monday; the mean is one.
pub(super) const WEEKDAYS: [f64; 7] = [1.12, 1.1, 1.08, 1.1, 1.1, 0.78, 0.72];
