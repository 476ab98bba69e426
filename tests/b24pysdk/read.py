"""Reads what a portal posted with the vendor's own Python kit: a JSON list of payloads in, a JSON list of what was read out."""

import json
import sys

from b24pysdk.api.responses import B24AppInfoResult
from b24pysdk.credentials import OAuthEventData, OAuthPlacementData, OAuthToken, OAuthWorkflowData

READERS = {
    "event": OAuthEventData,
    "page": OAuthPlacementData,
    "robot": OAuthWorkflowData,
    "token": OAuthToken,
    "app_info": B24AppInfoResult,
}


def read(payload):
    try:
        return {"read": READERS[payload["kind"]].from_dict(payload["fields"]).to_dict()}
    except Exception as error:  # whatever it is, the test shows it
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([read(payload) for payload in json.load(sys.stdin)], sys.stdout, default=str)
