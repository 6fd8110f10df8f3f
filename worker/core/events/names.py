"""The event names that the core knows: GA4's, in an order that only ever grows at its end.

A name's place in `EVENT_NAMES` is its number in profiles, bins and stored models, so nothing here may be moved or removed; a new
name is appended. `other`, number 0, stands for every name that is not listed.
Source: GA4's automatically collected, enhanced measurement and recommended events.
"""

from __future__ import annotations

OTHER = "other"

EVENT_NAMES: tuple[str, ...] = (
    OTHER,
    # A shop's funnel.
    "page_view",
    "view_item",
    "view_item_list",
    "select_item",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "view_cart",
    "begin_checkout",
    "add_shipping_info",
    "add_payment_info",
    "purchase",
    "refund",
    "add_to_wishlist",
    # Attention, collected without any set-up.
    "session_start",
    "first_visit",
    "user_engagement",
    "scroll",
    "view_promotion",
    "select_promotion",
    "click",
    "view_search_results",
    "file_download",
    "form_start",
    "form_submit",
    "video_start",
    "video_progress",
    "video_complete",
    # Accounts, content and leads.
    "login",
    "sign_up",
    "share",
    "select_content",
    "join_group",
    "generate_lead",
    "qualify_lead",
    "disqualify_lead",
    "working_lead",
    "close_convert_lead",
    "close_unconvert_lead",
    "campaign_details",
    "exception",
    # Apps.
    "first_open",
    "screen_view",
    "in_app_purchase",
    "app_remove",
    "app_update",
    "app_exception",
    "app_clear_data",
    "app_store_refund",
    "app_store_subscription_cancel",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
    "os_update",
    "notification_receive",
    "notification_open",
    "notification_dismiss",
    "notification_foreground",
    "dynamic_link_app_open",
    "dynamic_link_app_update",
    "dynamic_link_first_open",
    "firebase_campaign",
    "ad_impression",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "error",
    # Games.
    "earn_virtual_currency",
    "spend_virtual_currency",
    "level_start",
    "level_end",
    "level_up",
    "post_score",
    "tutorial_begin",
    "tutorial_complete",
    "unlock_achievement",
)

NAME_NUMBERS: dict[str, int] = {name: number for number, name in enumerate(EVENT_NAMES)}
