"""Every limit of the Great Expectations checks. Shares are fractions (0.01 = 1 %); a value on the limit passes."""

# --- raw gate: what was loaded

# Share of a table's rows that are quarantined. Above the first nothing is published.
QUARANTINED_MAJORITY = 0.5
QUARANTINED_SHARE = 0.01

# Share of delivered rows in which a required column is empty or unreadable.
REQUIRED_EMPTY_SHARE = 0.01

# Rows of a table's newest load over the median of the loads just before it;
# asked once there are enough to say what is usual.
VOLUME_RATIO = (0.5, 2.0)
RECENT_LOADS = 12
EARLIER_LOADS = 3

# Loads of fewer rows say nothing of volume and drift.
ENOUGH_ROWS = 20

# How far a column's share of empty cells may move between the earlier loads and the newest one (0.2: from 10 % to 30
# %).
EMPTY_SHARE_DRIFT = 0.2

# Share of references (to employees, plans, customers that nobody else knows…) that lead nowhere.
UNKNOWN_REFERENCES = 0.0

# Share of billing's customers without a client card, where cards are delivered at all.
CUSTOMERS_WITHOUT_CARD = 0.1

# Share of the smaller file's lines without an id that another file holds too.
TWIN_FILES_SHARE = 0.5

# Statuses of a subscription whose meaning is known. Any other one counts as paying, so a person should have seen it.
SUBSCRIPTION_STATUSES = (
    "active",
    "past_due",
    "non_renewing",
    "canceled",
    "cancelled",
    "ended",
    "expired",
    "completed",
    "trialing",
    "incomplete",
    "incomplete_expired",
    "unpaid",
    "paused",
    "on-hold",
    "draft",
    "void",
)

# --- marts gate

# Rates of the company are asked to be plausible where a period began with at least so many customers.
ENOUGH_CUSTOMERS = 20
PLAUSIBLE_CHURN_RATE = {"month": (0, 0.3), "quarter": (0, 0.6), "year": (0, 0.9)}
PLAUSIBLE_NET_REVENUE_RETENTION = {"month": (0.7, 1.3), "quarter": (0.5, 1.6), "year": (0.3, 3.0)}

# Median purchase of the last whole month over the median before; asked of ENOUGH_ROWS purchases on both sides.
PLAUSIBLE_CHECK_RATIO = (0.2, 5.0)

# Share of a period's stated reasons that no alias explains.
UNMAPPED_SHARE = 0.2

# Share of all stated reasons that one unmapped text makes up: mapping it is worth a minute.
UNMAPPED_TEXT_SHARE = 0.05

# Share of the closed months that one refresh may restate.
RESTATED_SHARE = 0.25

# Share of the active customers that the list of those at risk names.
PLAUSIBLE_AT_RISK_SHARE = 0.5

# How far a closed period may move between two publishes: rates in fractions of the start, counts and money relatively,
# NPS in points.
JUMP_RATE = 0.01
JUMP_SHARE = 0.05
JUMP_NPS = 5
