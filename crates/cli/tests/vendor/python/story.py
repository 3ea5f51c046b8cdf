"""Drives a running `exconn serve` with the vendor's Python library and prints what it saw as JSON.

    python msgraph_story.py http://127.0.0.1:8780 TOKEN
"""
import asyncio
import datetime
import json
import sys
import time

from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.device_management.exchange_connectors.exchange_connectors_request_builder import (
    ExchangeConnectorsRequestBuilder as Connectors,
)
from msgraph.generated.device_management.exchange_connectors.item.sync.sync_post_request_body import SyncPostRequestBody
from msgraph.generated.models.device_management_exchange_connector import DeviceManagementExchangeConnector
from msgraph.generated.models.device_management_exchange_connector_status import (
    DeviceManagementExchangeConnectorStatus as Status,
)
from msgraph.generated.models.device_management_exchange_connector_sync_type import (
    DeviceManagementExchangeConnectorSyncType as SyncType,
)
from msgraph.generated.models.device_management_exchange_connector_type import (
    DeviceManagementExchangeConnectorType as ConnectorType,
)
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core import PageIterator


class FixedToken:
    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes, **options) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


def query(**options):
    return RequestConfiguration(
        query_parameters=Connectors.ExchangeConnectorsRequestBuilderGetQueryParameters(**options))


async def story(base: str, token: str) -> dict:
    adapter = GraphRequestAdapter(AzureIdentityAuthenticationProvider(FixedToken(token)))
    adapter.base_url = base + "/v1.0"
    connectors = GraphServiceClient(request_adapter=adapter).device_management.exchange_connectors
    seen: dict = {"before": len((await connectors.get()).value)}

    made = []
    for number in range(5):
        made.append(await connectors.post(DeviceManagementExchangeConnector(
            odata_type="#microsoft.graph.deviceManagementExchangeConnector",
            server_name=f"server {number}'s",
            exchange_connector_type=ConnectorType.Hosted,
            last_sync_date_time=datetime.datetime(2017, 1, 1, 0, 2, 49, 320597,
                                                  datetime.timezone(datetime.timedelta(hours=-8))),
        )))
    first = made[0]
    seen["created"] = [first.server_name, first.status.value, first.exchange_connector_type.value,
                       first.last_sync_date_time.isoformat()]

    one = connectors.by_device_management_exchange_connector_id(first.id)
    seen["got"] = (await one.get()).server_name
    changed = await one.patch(DeviceManagementExchangeConnector(exchange_alias="alias", status=Status.Disconnected))
    seen["updated"] = [changed.exchange_alias, changed.status.value, changed.server_name]
    await one.sync.post(SyncPostRequestBody(sync_type=SyncType.DeltaSync))
    seen["synced"] = True
    seen["count"] = await connectors.count.get()

    filtered = await connectors.get(query(filter="status eq 'disconnected' and startswith(serverName,'server 0''')",
                                          select=["id", "status"], count=True))
    seen["filtered"] = [[c.id == first.id, c.server_name] for c in filtered.value] + [filtered.odata_count]

    page = await connectors.get(query(top=2, orderby=["serverName desc"],
                                      filter="exchangeConnectorType eq 'hosted'"))
    names = []
    iterator = PageIterator(page, adapter)
    await iterator.iterate(lambda connector: names.append(connector.server_name) or True)
    seen["paged"] = names

    for connector in made:
        await connectors.by_device_management_exchange_connector_id(connector.id).delete()
    try:
        await one.get()
    except ODataError as error:
        seen["deleted"] = [error.response_status_code, error.error.code, bool(error.error.inner_error.request_id)]
    seen["after"] = len((await connectors.get()).value)
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(story(sys.argv[1], sys.argv[2]))))
