"""Drives a running `exconn serve` with the vendor's Python library, as a program that was written for Microsoft Graph
would. Prints the name of each chapter that went well.

    SSL_CERT_FILE=ca.pem python story.py https://127.0.0.1:8780 TOKEN list change …
"""
import asyncio
import datetime
import sys
import time
import uuid

import msgraph.graph_request_adapter
from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import HeadersInspectionHandlerOption
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.device_management.exchange_connectors.count.count_request_builder import CountRequestBuilder
from msgraph.generated.device_management.exchange_connectors.exchange_connectors_request_builder import (
    ExchangeConnectorsRequestBuilder,
)
from msgraph.generated.device_management.exchange_connectors.item.sync.sync_post_request_body import SyncPostRequestBody
from msgraph.generated.device_management.managed_devices.managed_devices_request_builder import (
    ManagedDevicesRequestBuilder,
)
from msgraph.generated.models.device_management_exchange_connector import (
    DeviceManagementExchangeConnector as Connector,
)
from msgraph.generated.models.device_management_exchange_connector_status import (
    DeviceManagementExchangeConnectorStatus as Status,
)
from msgraph.generated.models.device_management_exchange_connector_sync_type import (
    DeviceManagementExchangeConnectorSyncType as SyncType,
)
from msgraph.generated.models.device_management_exchange_connector_type import (
    DeviceManagementExchangeConnectorType as ConnectorType,
)
from msgraph.generated.models.management_agent_type import ManagementAgentType
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core import GraphClientFactory, PageIterator
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)


class FixedToken:
    """A credential for who has a token already."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes, **options) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


class Graph:
    """The library's client, and how each of its requests was answered in the end."""

    def __init__(self, root: str, credential) -> None:
        self.answers = []
        client = GraphClientFactory.create_with_default_middleware(options=msgraph.graph_request_adapter.options)
        client.event_hooks = {"response": [self.note]}
        self.adapter = GraphRequestAdapter(AzureIdentityAuthenticationProvider(credential), client)
        self.adapter.base_url = root
        self.device_management = GraphServiceClient(request_adapter=self.adapter).device_management
        self.connectors = self.device_management.exchange_connectors

    async def note(self, response) -> None:
        self.answers.append(response)

    def one(self, connector):
        return self.connectors.by_device_management_exchange_connector_id(connector.id)

    async def create_many(self, organization: str, count: int) -> list:
        """Connectors of a chapter of its own, told apart by their organisation."""
        return [
            await self.connectors.post(
                Connector(server_name=f"server {number:02}'s", exchange_organization=organization))
            for number in range(count)
        ]


def of(organization: str) -> str:
    return f"exchangeOrganization eq '{organization}'"


def query(**options):
    return RequestConfiguration(
        query_parameters=ExchangeConnectorsRequestBuilder.ExchangeConnectorsRequestBuilderGetQueryParameters(**options))


def count_query(condition: str):
    return RequestConfiguration(
        query_parameters=CountRequestBuilder.CountRequestBuilderGetQueryParameters(filter=condition))


def header(name: str, value: str):
    headers = HeadersCollection()
    headers.add(name, value)
    return RequestConfiguration(headers=headers)


async def refusal(request) -> ODataError:
    """What a request that must be refused is refused with."""
    try:
        await request
    except ODataError as error:
        return error
    raise AssertionError("it was not refused")


async def until(what: str, ask):
    """Asks again and again until there is an answer, but not for ever."""
    end = time.monotonic() + 60
    while True:
        answer = await ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited too long until {what}"
        await asyncio.sleep(0.02)


async def list_(graph: Graph) -> None:
    await graph.create_many("list", 5)
    page = await graph.connectors.get(query(
        filter="exchangeOrganization eq 'list' and startswith(serverName,'server 0') and status eq 'connectionPending'",
        select=["id", "serverName"], orderby=["serverName desc"], skip=1, top=3, count=True))
    assert page.odata_count == 5
    assert [connector.server_name for connector in page.value] == ["server 03's", "server 02's", "server 01's"]
    assert page.value[0].id and page.value[0].status is None, "only what was selected"
    rest = await graph.connectors.with_url(page.odata_next_link).get()
    assert [connector.server_name for connector in rest.value] == ["server 00's"]
    assert rest.odata_next_link is None

    assert await graph.connectors.count.get(count_query(of("list"))) == 5
    assert (await graph.connectors.get(query(filter=of("nobody")))).value == []
    quoted = await graph.connectors.get(query(filter=f"serverName eq 'server 00''s' and {of('list')}"))
    assert len(quoted.value) == 1

    preferred = await graph.connectors.get(header("Prefer", "odata.maxpagesize=2"))
    assert len(preferred.value) == 2 and preferred.odata_next_link


async def change(graph: Graph) -> None:
    made = await graph.connectors.post(Connector(
        odata_type="#microsoft.graph.deviceManagementExchangeConnector",
        server_name="ex02.contoso.com",
        exchange_connector_type=ConnectorType.Hosted,
        last_sync_date_time=datetime.datetime(2017, 1, 1, 0, 2, 49, 320597,
                                              datetime.timezone(datetime.timedelta(hours=-8))),
    ))
    assert graph.answers[-1].status_code == 201
    assert uuid.UUID(made.id).version == 4
    assert made.status == Status.ConnectionPending
    assert made.exchange_connector_type == ConnectorType.Hosted
    assert made.last_sync_date_time.isoformat() == "2017-01-01T08:02:49.320597+00:00"
    one = graph.one(made)
    got = await one.get()
    assert [got.server_name, got.exchange_alias] == ["ex02.contoso.com", None]

    empty = await graph.connectors.post(Connector())
    assert empty.last_sync_date_time == NEVER
    assert empty.exchange_connector_type == ConnectorType.OnPremises
    await graph.one(empty).delete()

    changed = await one.patch(Connector(exchange_alias="two", status=Status.Disconnected))
    assert [changed.exchange_alias, changed.status, changed.server_name] == [
        "two", Status.Disconnected, "ex02.contoso.com"]
    # A property that is set to None goes out under the name that it has in Python, and would be refused.
    cleared = await one.patch(Connector(additional_data={"exchangeAlias": None}))
    assert [cleared.exchange_alias, cleared.server_name] == [None, "ex02.contoso.com"]
    assert await one.patch(Connector(version="1.0"), header("Prefer", "return=minimal")) is None
    assert graph.answers[-1].status_code == 204

    inspection = HeadersInspectionHandlerOption(inspect_response_headers=True)
    assert (await one.get(RequestConfiguration(options=[inspection]))).version == "1.0"
    (tag,) = inspection.response_headers.get("ETag")
    await one.patch(Connector(version="1.1"), header("If-Match", tag))
    stale = await refusal(one.patch(Connector(version="1.2"), header("If-Match", tag)))
    assert [stale.response_status_code, stale.error.code] == [412, "PreconditionFailed"]
    assert (await refusal(one.delete(header("If-Match", tag)))).response_status_code == 412
    assert (await one.get()).version == "1.1"

    await one.delete(header("If-Match", "*"))
    assert (await refusal(one.get())).response_status_code == 404


async def sync(graph: Graph) -> None:
    async def find():
        found = (await graph.connectors.get(query(filter="exchangeAlias eq 'contoso'"))).value
        return found[0] if found else None

    async def synced_after(before):
        connector = await find()
        done = connector and connector.status == Status.Connected and connector.last_sync_date_time > before
        return connector if done else None

    connector = await until("the first sync ends", lambda: synced_after(NEVER))
    for sync_type in [SyncType.FullSync, SyncType.DeltaSync]:
        before = (await find()).last_sync_date_time
        await graph.one(connector).sync.post(SyncPostRequestBody(sync_type=sync_type))
        assert graph.answers[-1].status_code == 204
        await until(f"a {sync_type.value} ends", lambda: synced_after(before))
    assert (await refusal(graph.one(connector).sync.post(SyncPostRequestBody()))).response_status_code == 400


async def devices(graph: Graph) -> None:
    devices = graph.device_management.managed_devices

    def options(**options):
        return RequestConfiguration(
            query_parameters=ManagedDevicesRequestBuilder.ManagedDevicesRequestBuilderGetQueryParameters(**options))

    page = await devices.get(options(count=True, orderby=["deviceName"], top=7))
    found = []
    await PageIterator(page, graph.adapter).iterate(lambda device: found.append(device.id) or True)
    assert len(found) == len(set(found)) == page.odata_count
    device = await devices.by_managed_device_id(found[0]).get()
    assert device.management_agent == ManagementAgentType.Eas
    same = await devices.get(options(filter=f"easDeviceId eq '{device.eas_device_id}'", select=["id"]))
    assert [one.id for one in same.value] == [device.id]
    summary = (await graph.device_management.managed_device_overview.get()).device_exchange_access_state_summary
    blocked = await devices.get(options(filter="exchangeAccessState eq 'blocked'", count=True, top=1))
    assert summary.blocked_device_count == blocked.odata_count


async def paging(graph: Graph) -> None:
    """Every connector that stood all the time is listed once, whatever comes and goes between two pages."""
    made = await graph.create_many("paging", 30)
    page = await graph.connectors.get(query(filter=of("paging"), orderby=["serverName"], top=4))
    iterator = PageIterator(page, graph.adapter)
    seen, removed, listing = [], set(), True

    def listed(connector) -> bool:
        nonlocal listing
        seen.append(connector.id)
        listing = len(seen) % 6 == 0
        return not listing

    while listing:
        listing = False
        await iterator.iterate(listed)
        if listing:
            # One that was listed and one that was not yet go; one comes before and one behind what was listed.
            standing = [connector for connector in made if connector.id not in removed]
            before = [connector for connector in standing if connector.id in seen]
            behind = [connector for connector in standing if connector.id not in seen]
            for gone in before[-1:] + behind[-1:]:
                await graph.one(gone).delete()
                removed.add(gone.id)
            for name in ["server", "server 99"]:
                await graph.connectors.post(Connector(server_name=name, exchange_organization="paging"))
    assert len(removed) >= 8, removed
    assert len(set(seen)) == len(seen), "none twice"
    assert {connector.id for connector in made} - removed <= set(seen), "all that stood"


async def errors(graph: Graph) -> None:
    asked = "11111111-2222-4333-8444-555555555555"
    unknown = graph.connectors.by_device_management_exchange_connector_id(asked)
    error = await refusal(unknown.get(header("client-request-id", asked)))
    assert [error.response_status_code, error.error.code] == [404, "ResourceNotFound"]
    assert error.error.inner_error.client_request_id == asked
    assert uuid.UUID(error.error.inner_error.request_id)
    assert isinstance(error.error.inner_error.date, datetime.datetime)
    for wrong, words in [
        (query(filter="serverNam eq 'a'"), "serverNam"),
        (query(search="a"), "$search"),
        (query(select=["serverNam"]), "serverNam"),
        (query(expand=["serverName"]), "$expand"),
    ]:
        error = await refusal(graph.connectors.get(wrong))
        assert error.response_status_code == 400 and words in error.error.message, error.error.message
    stranger = await refusal(Graph(graph.adapter.base_url, FixedToken("no token")).connectors.get())
    assert [stranger.response_status_code, stranger.error.code] == [401, "InvalidAuthenticationToken"]


async def http2(graph: Graph) -> None:
    await graph.connectors.get()
    assert graph.answers[-1].http_version == "HTTP/2"


async def batch(graph: Graph) -> None:
    """The library drops what is in an answer's body (kiota-serialization-json 1.16 reads only texts as bytes)."""
    (connector,) = await graph.create_many("batch", 1)
    one = graph.one(connector)
    content = BatchRequestContent()

    def add(number: str, request, depends_on=()) -> None:
        content.add_request(number, BatchRequestItem(request, number, depends_on=list(depends_on)))

    add("1", one.to_patch_request_information(Connector(version="2")))
    add("2", graph.connectors.to_get_request_information(query(filter="version eq '2'", select=["id"])), ["1"])
    add("3", one.sync.to_post_request_information(SyncPostRequestBody(sync_type=SyncType.DeltaSync)), ["1"])
    add("4", graph.connectors.to_get_request_information(query(filter="serverNam eq 'a'")))
    add("5", one.to_delete_request_information(), ["4"])
    answer = await BatchRequestBuilder(graph.adapter).post(content)
    assert answer.get_response_status_codes() == {"1": 200, "2": 200, "3": 204, "4": 400, "5": 424}
    assert answer.get_response_by_id("1").content_type.startswith("application/json")
    assert (await one.get()).version == "2", "changed, and not deleted: that depended on a failure"


async def retry(graph: Graph) -> None:
    """For a service that lets few requests through at once. The library waits as it is told, and repeats."""
    connector = await graph.connectors.post(Connector(version="0"))
    for version in range(1, 1000):
        changed = await graph.one(connector).patch(Connector(version=str(version)))
        assert changed.version == str(version)
        if "Retry-Attempt" in graph.answers[-1].request.headers:
            break
    else:
        raise AssertionError("nothing was throttled")


CHAPTERS = {
    "list": list_, "change": change, "sync": sync, "devices": devices, "paging": paging, "errors": errors,
    "http2": http2, "batch": batch, "retry": retry,
}


async def main(base: str, token: str, wanted: list) -> None:
    graph = Graph(base + "/v1.0", FixedToken(token))
    for name in wanted:
        await CHAPTERS[name](graph)
        print(name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
