"use strict";
// Drives a running `exconn serve` with the vendor's JavaScript library, as a program that was written for Microsoft Graph
// would. Prints the name of each chapter that went well.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node story.js https://127.0.0.1:8780 TOKEN list change …

const assert = require("node:assert/strict");
const { X509Certificate } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { setTimeout: pause } = require("node:timers/promises");
const { ConfidentialClientApplication } = require("@azure/msal-node");
const {
  BatchRequestContent,
  BatchResponseContent,
  Client,
  GraphError,
  PageIterator,
  ResponseType,
  RetryHandlerOptions,
} = require("@microsoft/microsoft-graph-client");

const CONNECTORS = "/deviceManagement/exchangeConnectors";
const DEVICES = "/deviceManagement/managedDevices";
const FOR_GRAPH = { scopes: ["https://graph.microsoft.com/.default"] };
const NEVER = "0001-01-01T00:00:00Z";
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The library sends a token only over HTTPS and only to hosts that it is told of. */
function graph(base, getAccessToken) {
  return Client.initWithMiddleware({
    baseUrl: base,
    defaultVersion: "v1.0",
    customHosts: new Set([new URL(base).hostname]),
    authProvider: { getAccessToken },
  });
}

/** An application that is registered here, and how it proves that it is the one. */
function application(base, proof) {
  const { AZURE_TENANT_ID, AZURE_CLIENT_ID } = process.env;
  const authority = `${base}/${AZURE_TENANT_ID}`;
  const knownAuthorities = [new URL(base).host];
  return new ConfidentialClientApplication({ auth: { clientId: AZURE_CLIENT_ID, authority, knownAuthorities, ...proof } });
}

/** Connectors of a chapter of its own, told apart by their organisation. */
async function createMany(client, organization, count) {
  const made = [];
  for (let number = 0; number < count; number += 1) {
    const serverName = `server ${String(number).padStart(2, "0")}'s`;
    made.push(await client.api(CONNECTORS).post({ serverName, exchangeOrganization: organization }));
  }
  return made;
}

const of = (organization) => `exchangeOrganization eq '${organization}'`;
const one = (connector) => `${CONNECTORS}/${connector.id}`;
const names = (page) => page.value.map((connector) => connector.serverName);

/** What a request that must be refused is refused with. */
async function refusal(request) {
  try {
    await request;
  } catch (error) {
    assert.ok(error instanceof GraphError, error);
    return error;
  }
  return assert.fail("it was not refused");
}

/** Asks again and again until there is an answer, but not for ever. */
async function until(what, ask) {
  const end = Date.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `waited too long until ${what}`);
    await pause(20);
  }
}

const chapters = {
  async list(client) {
    await createMany(client, "list", 5);
    const page = await client
      .api(CONNECTORS)
      .filter("exchangeOrganization eq 'list' and startswith(serverName,'server 0') and status eq 'connectionPending'")
      .select(["id", "serverName"])
      .orderby("serverName desc")
      .skip(1)
      .top(3)
      .count(true)
      .get();
    assert.equal(page["@odata.count"], 5);
    assert.deepEqual(names(page), ["server 03's", "server 02's", "server 01's"]);
    assert.deepEqual(Object.keys(page.value[0]), ["id", "serverName"]);
    assert.match(page["@odata.context"], /\/v1\.0\/\$metadata#deviceManagement\/exchangeConnectors\(id,serverName\)$/);
    const rest = await client.api(page["@odata.nextLink"]).get();
    assert.deepEqual(names(rest), ["server 00's"]);
    assert.equal(rest["@odata.nextLink"], undefined);

    assert.equal(await client.api(`${CONNECTORS}/$count`).filter(of("list")).get(), "5");
    assert.deepEqual((await client.api(CONNECTORS).filter(of("nobody")).get()).value, []);
    const quoted = await client.api(CONNECTORS).filter("serverName eq 'server 00''s'").get();
    assert.equal(quoted.value.length, 1);

    const preferred = await client.api(CONNECTORS).filter(of("list")).header("Prefer", "odata.maxpagesize=2").get();
    assert.equal(preferred.value.length, 2);
    assert.ok(preferred["@odata.nextLink"]);

    const bare = await client.api(CONNECTORS).header("Accept", "application/json;odata.metadata=none").get();
    assert.equal(bare["@odata.context"], undefined);
  },

  async change(client) {
    const answer = await client
      .api(CONNECTORS)
      .responseType(ResponseType.RAW)
      .post({
        "@odata.type": "#microsoft.graph.deviceManagementExchangeConnector",
        serverName: "ex02.contoso.com",
        exchangeConnectorType: "hosted",
        lastSyncDateTime: "2017-01-01T00:02:49.3205976-08:00",
      });
    assert.equal(answer.status, 201);
    const made = await answer.json();
    assert.match(made.id, GUID);
    assert.ok(answer.headers.get("Location").endsWith(`/v1.0${one(made)}`));
    assert.equal(made.status, "connectionPending");
    assert.equal(made.exchangeConnectorType, "hosted");
    assert.equal(made.lastSyncDateTime, "2017-01-01T08:02:49.3205976Z");
    assert.equal(made.exchangeAlias, null);
    assert.deepEqual(await client.api(one(made)).get(), made);

    const empty = await client.api(CONNECTORS).post({});
    assert.equal(empty.lastSyncDateTime, NEVER);
    assert.equal(empty.exchangeConnectorType, "onPremises");
    await client.api(one(empty)).delete();

    const changed = await client.api(one(made)).patch({ exchangeAlias: "two", status: "disconnected" });
    assert.deepEqual(changed, { ...made, exchangeAlias: "two", status: "disconnected" });
    const cleared = await client.api(one(made)).update({ exchangeAlias: null });
    assert.equal(cleared.exchangeAlias, null);
    assert.equal(cleared.serverName, "ex02.contoso.com");
    const silent = await client.api(one(made)).header("Prefer", "return=minimal").patch({ version: "1.0" });
    assert.equal(silent, undefined);
    assert.deepEqual(await client.api(one(made)).select("version").get().then((got) => got.version), "1.0");

    const read = await client.api(one(made)).responseType(ResponseType.RAW).get();
    const tag = read.headers.get("ETag");
    await client.api(one(made)).header("If-Match", tag).patch({ version: "1.1" });
    const stale = await refusal(client.api(one(made)).header("If-Match", tag).patch({ version: "1.2" }));
    assert.equal(stale.statusCode, 412);
    assert.equal(stale.code, "PreconditionFailed");
    assert.equal((await refusal(client.api(one(made)).header("If-Match", tag).delete())).statusCode, 412);
    assert.equal((await client.api(one(made)).get()).version, "1.1");

    assert.equal(await client.api(one(made)).header("If-Match", "*").delete(), undefined);
    assert.equal((await refusal(client.api(one(made)).get())).statusCode, 404);
  },

  async sync(client) {
    const find = async () => (await client.api(CONNECTORS).filter("exchangeAlias eq 'contoso'").get()).value[0];
    const first = await until("the first sync ends", async () => {
      const connector = await find();
      return connector?.status === "connected" && connector.lastSyncDateTime !== NEVER && connector;
    });
    for (const [action, syncType] of [["sync", "fullSync"], ["microsoft.graph.sync", "deltaSync"]]) {
      const before = (await find()).lastSyncDateTime;
      assert.equal(await client.api(`${one(first)}/${action}`).post({ syncType }), undefined);
      await until(`a ${syncType} ends`, async () => (await find()).lastSyncDateTime > before);
    }
    const wrong = await refusal(client.api(`${one(first)}/sync`).post({ syncType: "someSync" }));
    assert.equal(wrong.statusCode, 400);
  },

  async devices(client) {
    const page = await client.api(DEVICES).count(true).orderby("deviceName").top(7).get();
    const found = [];
    await new PageIterator(client, page, (device) => found.push(device.id) > 0).iterate();
    assert.equal(found.length, page["@odata.count"]);
    assert.equal(new Set(found).size, found.length);
    assert.equal(await client.api(`${DEVICES}/$count`).get(), String(found.length));

    const device = await client.api(`${DEVICES}/${found[0]}`).get();
    assert.equal(device.managementAgent, "eas");
    const same = await client.api(DEVICES).filter(`easDeviceId eq '${device.easDeviceId}'`).select("id").get();
    assert.deepEqual(same.value, [{ id: device.id }]);

    const overview = await client.api("/deviceManagement/managedDeviceOverview").get();
    const blocked = await client.api(`${DEVICES}/$count`).filter("exchangeAccessState eq 'blocked'").get();
    assert.equal(String(overview.deviceExchangeAccessStateSummary.blockedDeviceCount), blocked);
  },

  async beta(client) {
    const page = await client.api(CONNECTORS).version("beta").filter("exchangeAlias eq 'contoso'").get();
    assert.match(page["@odata.context"], /\/beta\/\$metadata#/);
    assert.equal(page.value.length, 1);
  },

  /** Every connector that stood all the time is listed once, whatever comes and goes between two pages. */
  async paging(client) {
    const made = await createMany(client, "paging", 30);
    const page = await client.api(CONNECTORS).filter(of("paging")).orderby("serverName").top(4).get();
    const seen = [];
    const removed = new Set();
    const iterator = new PageIterator(client, page, (connector) => {
      seen.push(connector.id);
      return seen.length % 6 !== 0;
    });
    await iterator.iterate();
    while (!iterator.isComplete()) {
      // One that was listed and one that was not yet go; one comes before and one behind what was listed.
      const standing = made.filter((connector) => !removed.has(connector.id));
      const before = standing.filter((connector) => seen.includes(connector.id));
      const behind = standing.filter((connector) => !seen.includes(connector.id));
      for (const gone of [...before.slice(-1), ...behind.slice(-1)]) {
        await client.api(one(gone)).delete();
        removed.add(gone.id);
      }
      for (const serverName of ["server", "server 99"]) {
        await client.api(CONNECTORS).post({ serverName, exchangeOrganization: "paging" });
      }
      await iterator.resume();
    }
    assert.ok(removed.size >= 8, `only ${removed.size} were removed meanwhile`);
    assert.equal(new Set(seen).size, seen.length, "none twice");
    for (const stood of made.filter((connector) => !removed.has(connector.id))) {
      assert.ok(seen.includes(stood.id), `${stood.serverName} was not listed`);
    }
  },

  async errors(client, base) {
    const asked = "11111111-2222-4333-8444-555555555555";
    const unknown = await refusal(client.api(`${CONNECTORS}/${asked}`).header("client-request-id", asked).get());
    assert.equal(unknown.statusCode, 404);
    assert.equal(unknown.code, "ResourceNotFound");
    assert.match(unknown.requestId, GUID);
    assert.equal(unknown.headers.get("request-id"), unknown.requestId);
    assert.ok(unknown.date instanceof Date && !Number.isNaN(unknown.date.getTime()));
    assert.equal(JSON.parse(unknown.body).innerError["client-request-id"], unknown.headers.get("client-request-id"));

    for (const [ask, status, words] of [
      [() => client.api(CONNECTORS).filter("serverNam eq 'a'").get(), 400, "serverNam"],
      [() => client.api(CONNECTORS).search("a").get(), 400, "$search"],
      [() => client.api(CONNECTORS).post({ serverNam: "a" }), 400, "serverNam"],
      [() => client.api(CONNECTORS).post({ status: "away" }), 400, "status"],
      [() => client.api(CONNECTORS).put({}), 405, "GET, POST"],
      [() => client.api("/deviceManagement/exchangeConnector").get(), 400, "exchangeConnector"],
    ]) {
      const error = await refusal(ask());
      assert.equal(error.statusCode, status, error.message);
      assert.ok(error.message.includes(words), error.message);
    }
    const stranger = await refusal(graph(base, async () => "no token").api(CONNECTORS).get());
    assert.equal(stranger.statusCode, 401);
    assert.equal(stranger.code, "InvalidAuthenticationToken");
  },

  async batch(client, base) {
    const step = (id, method, path, body, dependsOn) => ({
      id,
      dependsOn,
      request: new Request(`${base}/v1.0${path}`, {
        method,
        headers: body ? { "Content-Type": "application/json" } : {},
        body: body && JSON.stringify(body),
      }),
    });
    const send = async (...steps) => {
      const content = await new BatchRequestContent(steps).getContent();
      return new BatchResponseContent(await client.api("/$batch").post(content));
    };
    const [first, second] = await createMany(client, "batch", 2);

    const serial = await send(
      step("1", "PATCH", one(first), { exchangeAlias: "batch" }),
      step("2", "GET", `${one(first)}?$select=exchangeAlias`, undefined, ["1"]),
      step("3", "POST", `${one(first)}/sync`, { syncType: "deltaSync" }, ["2"]),
      step("4", "DELETE", one(first), undefined, ["3"]),
      step("5", "GET", one(first), undefined, ["4"]),
      step("6", "DELETE", one(second), undefined, ["5"]),
    );
    const statuses = ["1", "2", "3", "4", "5", "6"].map((id) => serial.getResponseById(id).status);
    assert.deepEqual(statuses, [200, 200, 204, 204, 404, 424]);
    assert.equal((await serial.getResponseById("2").json()).exchangeAlias, "batch");
    assert.equal((await serial.getResponseById("5").json()).error.code, "ResourceNotFound");
    assert.equal((await client.api(one(second)).get()).id, second.id, "what depended on a failure was not done");

    const parallel = await send(...Array.from({ length: 20 }, (_, number) => step(`r${number}`, "GET", one(second))));
    assert.equal(parallel.getResponses().size, 20);
    for (const [, response] of parallel.getResponsesIterator()) assert.equal((await response.json()).id, second.id);
  },

  async signInWithSecret(_client, base) {
    const clientSecret = process.env.AZURE_CLIENT_SECRET;
    const { accessToken } = await application(base, { clientSecret }).acquireTokenByClientCredential(FOR_GRAPH);
    assert.ok((await graph(base, async () => accessToken).api(CONNECTORS).get()).value);
    const mistaken = application(base, { clientSecret: "mistaken" });
    await assert.rejects(mistaken.acquireTokenByClientCredential(FOR_GRAPH), /AADSTS7000215/);
  },

  async signInWithCertificate(_client, base) {
    const privateKey = readFileSync(process.env.AZURE_CLIENT_CERTIFICATE_PATH, "utf8");
    const thumbprintSha256 = new X509Certificate(privateKey).fingerprint256.replaceAll(":", "");
    const proof = { clientCertificate: { thumbprintSha256, privateKey } };
    const { accessToken } = await application(base, proof).acquireTokenByClientCredential(FOR_GRAPH);
    assert.ok((await graph(base, async () => accessToken).api(CONNECTORS).get()).value);
  },

  /** For a service that lets few requests through at once. The library waits as it is told, and repeats. */
  async retry(client) {
    const waits = [];
    const options = new RetryHandlerOptions(3, 10, (_delay, _attempt, _request, _options, response) => {
      waits.push([response.status, response.headers.get("Retry-After")]);
      return true;
    });
    const connector = await client.api(CONNECTORS).middlewareOptions([options]).post({ version: "0" });
    let last;
    for (let version = 1; waits.length === 0; version += 1) {
      assert.ok(version < 1000, "nothing was throttled");
      last = await client.api(one(connector)).middlewareOptions([options]).patch({ version: String(version) });
      assert.equal(last.version, String(version));
    }
    assert.equal(waits[0][0], 429);
    assert.match(waits[0][1], /^[1-9][0-9]*$/, "whole seconds");
    assert.equal((await client.api(one(connector)).middlewareOptions([options]).get()).version, last.version);
  },
};

async function main(base, token, wanted) {
  const client = graph(base, async () => token);
  for (const name of wanted) {
    await chapters[name](client, base);
    console.log(name);
  }
}

const [, , base, token, ...wanted] = process.argv;
main(base, token, wanted);
