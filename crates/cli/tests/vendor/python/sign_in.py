"""Signs in at a running `exconn serve` with the vendor's libraries, as a program would at Microsoft's.

    STORY_URL=https://127.0.0.1:8780 … python sign_in.py CHAPTER...

Prints the name of each chapter that went well.
"""
import asyncio
import os
import sys

import msal
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from msgraph import GraphServiceClient
from msgraph.graph_request_adapter import GraphRequestAdapter
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider

URL = os.environ["STORY_URL"]
TENANT = os.environ["STORY_TENANT"]
SECRET_ID, SECRET = os.environ["STORY_SECRET_ID"], os.environ["STORY_SECRET"]
CERTIFICATE_ID, CERTIFICATE = os.environ["STORY_CERTIFICATE_ID"], os.environ["STORY_CERTIFICATE"]
SCOPE = "https://graph.microsoft.com/.default"


def works(token: str) -> None:
    answer = requests.get(f"{URL}/v1.0/deviceManagement/exchangeConnectors",
                          headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert answer.status_code == 200, answer.text


def confidential(client_id: str, credential, **options) -> msal.ConfidentialClientApplication:
    where = options or {"authority": f"{URL}/{TENANT}", "instance_discovery": False}
    return msal.ConfidentialClientApplication(client_id, client_credential=credential, **where)


def got(answer: dict) -> str:
    assert "access_token" in answer, answer
    assert answer["token_type"] == "Bearer" and 3500 < answer["expires_in"] <= 3599, answer
    return answer["access_token"]


def pem() -> bytes:
    with open(CERTIFICATE, "rb") as file:
        return file.read()


def azure_secret() -> None:
    credential = ClientSecretCredential(TENANT, SECRET_ID, SECRET, authority=URL, disable_instance_discovery=True)
    works(credential.get_token(SCOPE).token)
    works(credential.get_token("https://127.0.0.1/.default", enable_cae=True).token)


def azure_certificate() -> None:
    credential = CertificateCredential(TENANT, CERTIFICATE_ID, CERTIFICATE, authority=URL,
                                       disable_instance_discovery=True)
    works(credential.get_token(SCOPE).token)
    works(credential.get_token(f"{URL}/.default").token)
    chain = CertificateCredential(TENANT, CERTIFICATE_ID, certificate_data=pem(), send_certificate_chain=True,
                                  authority=URL, disable_instance_discovery=True)
    works(chain.get_token(SCOPE).token)


def msal_secret() -> None:
    app = confidential(SECRET_ID, SECRET)
    works(got(app.acquire_token_for_client([SCOPE])))
    again = app.acquire_token_for_client([SCOPE])
    assert again["token_source"] == "cache", again


def credential() -> dict:
    """The form that reads SHA-256 thumbprints out of the certificate, and signs with PS256."""
    public = x509.load_pem_x509_certificate(pem()[pem().index(b"-----BEGIN CERTIFICATE"):])
    return {"private_key": pem().decode(), "public_certificate": pem().decode(),
            "thumbprint": public.fingerprint(hashes.SHA1()).hex()}


def msal_certificate() -> None:
    works(got(confidential(CERTIFICATE_ID, credential()).acquire_token_for_client([SCOPE])))
    old = {name: value for name, value in credential().items() if name != "public_certificate"}
    works(got(confidential(CERTIFICATE_ID, old).acquire_token_for_client([SCOPE])))


def msal_assertion_again() -> None:
    """The library keeps its assertion and sends it again for another scope."""
    app = confidential(CERTIFICATE_ID, credential())
    works(got(app.acquire_token_for_client([SCOPE])))
    works(got(app.acquire_token_for_client([f"{URL}/.default"])))


def msal_oidc_authority() -> None:
    app = confidential(SECRET_ID, SECRET, oidc_authority=f"{URL}/{TENANT}/v2.0")
    works(got(app.acquire_token_for_client([SCOPE])))


def graph() -> None:
    """The client library with a credential of its own, as a program for Microsoft Graph is written."""
    credential = ClientSecretCredential(TENANT, SECRET_ID, SECRET, authority=URL, disable_instance_discovery=True)
    adapter = GraphRequestAdapter(AzureIdentityAuthenticationProvider(credential))
    adapter.base_url = URL + "/v1.0"
    client = GraphServiceClient(request_adapter=adapter)
    connectors = asyncio.run(client.device_management.exchange_connectors.get())
    assert len(connectors.value) == 1, connectors


def refused() -> None:
    answer = confidential(SECRET_ID, "wrong").acquire_token_for_client([SCOPE])
    assert answer["error"] == "invalid_client" and answer["error_codes"] == [7000215], answer
    assert answer["error_description"].startswith("AADSTS7000215: "), answer
    answer = confidential(SECRET_ID, SECRET).acquire_token_for_client(["https://vault.azure.net/.default"])
    assert answer["error"] == "invalid_scope", answer
    credential = ClientSecretCredential(TENANT, CERTIFICATE_ID, "wrong", authority=URL,
                                        disable_instance_discovery=True)
    try:
        credential.get_token(SCOPE)
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in error.message, error
    else:
        raise AssertionError("a wrong secret got a token")


if __name__ == "__main__":
    for chapter in sys.argv[1:]:
        globals()[chapter]()
        print(chapter, flush=True)
