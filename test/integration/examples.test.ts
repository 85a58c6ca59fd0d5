import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { type Running, startRole } from '../../index.ts'
import { checkConfig, loadConfig, type Role } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { JwtWorld } from '../unit/account/jwt-world.ts'

/** What people copy: every example file, and every configuration in the documentation, holds. */

const ROOT = path.resolve(import.meta.dirname, '../..')
const EXAMPLES = path.join(ROOT, 'deploy/examples')

/** What the examples take from the environment. Urls are those of a hub that is not there. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  ADMIN_PASSWORD: 'admin-secret',
  APP_PASSWORD: 'app-secret',
  AUTH_PASSWORD: 'auth-secret',
  CLUSTER_PASSWORD: 'cluster-secret',
  COLLECTOR_PASSWORD: 'collector-secret',
  DASHBOARD_PASSWORD: 'dashboard-secret',
  GATEWAY_PASSWORD: 'gateway-secret',
  HUB_URL: '"wss://press-7:press-secret@127.0.0.1:443"',
  HUB_URLS: '["tls://press-7:press-secret@127.0.0.1:7422"]',
  LOCAL_PASSWORD: 'local-secret',
  OFFICE_PASSWORD: 'office-secret',
  PLANT_PASSWORD: 'plant-secret',
  PRESS_7_PASSWORD: 'press-secret',
  SENSOR_1_PASSWORD: 'sensor-secret',
}

interface Example {
  readonly name: string
  readonly role: Role
  readonly text: string
}

interface Ending {
  readonly tls_cert_not_after: string
}

interface Varz extends Ending {
  readonly leaf: Ending
  readonly websocket: Ending
}

interface Jsz {
  readonly account_details: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly cluster: object }[]
  }[]
}

describe('examples', function () {
  this.timeout(60_000)
  const disk = new SystemDisk()
  let folder: string
  let authority: CertificateAuthority
  let running: Running[] = []

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-examples-'))
    authority = new CertificateAuthority()
    const { cert_file, key_file } = authority.server()
    await mkdir(path.join(folder, 'tls'))
    for (const [file, from] of Object.entries({
      'ca.pem': authority.ca_file,
      'server.pem': cert_file,
      'server.key': key_file,
    })) {
      await writeFile(path.join(folder, 'tls', file), await readFile(from))
    }
    await writeFile(path.join(folder, 'operator.conf'), await operatorConf(folder))
  })

  afterEach(async () => {
    await Promise.all(running.map((server) => server.destroy()))
    running = []
  })

  after(async () => {
    authority.remove()
    await rm(folder, { recursive: true, force: true })
  })

  /** The text with the folders of a real server in a temporary one. */
  async function installed({ name, text }: Example, more = ''): Promise<string> {
    const file = path.join(folder, `${name.replaceAll(/[^\w-]/g, '-')}.conf`)
    const here = text
      .replaceAll('/etc/petiole', folder)
      .replaceAll('/var/lib/petiole', path.join(folder, `${path.basename(file)}.data`))
    await writeFile(file, `${here}\n${more}`)
    return file
  }

  it('in deploy/examples are taken without a warning', async () => {
    const files = await readdir(EXAMPLES, { recursive: true })
    const found = files.filter((file) => file.endsWith('.conf'))
    assert.equal(found.length, 9)
    for (const file of found) {
      const text = await readFile(path.join(EXAMPLES, file), 'utf8')
      const role = path.basename(file) === 'leaf.conf' ? 'leaf' : 'hub'
      const at = await installed({ name: file, role, text })
      const checked = await checkConfig(disk, at, undefined, ENVIRONMENT)
      assert.deepEqual(checked, { role, problems: [], warnings: [] }, file)
    }
  })

  it('in the documentation are taken without a warning', async () => {
    const examples: Example[] = []
    for (const file of await readdir(path.join(ROOT, 'docs'))) {
      if (file.endsWith('.md')) examples.push(...(await examplesOf(file)))
    }
    assert.ok(examples.length >= 7, `${examples.length} found`)
    for (const example of examples) {
      const at = await installed(example)
      const checked = await checkConfig(disk, at, undefined, ENVIRONMENT)
      const expected = { role: example.role, problems: [], warnings: [] }
      assert.deepEqual(checked, expected, `${example.name}\n${example.text}`)
    }
  })

  /** An example as a server, on ports of its own. */
  async function run(file: string, ports: object, environment = ENVIRONMENT): Promise<Running> {
    const text = await readFile(path.join(EXAMPLES, file), 'utf8')
    const role = path.basename(file) === 'leaf.conf' ? 'leaf' : 'hub'
    const at = await installed({ name: file, role, text })
    const overrides = { listen: null, host: '127.0.0.1', port: -1, ...ports }
    const { config } = await (role === 'hub'
      ? loadConfig(disk, at, 'hub', overrides, environment)
      : loadConfig(disk, at, 'leaf', overrides, environment))
    const server = await startRole(config)
    running.push(server)
    return server
  }

  it('secure: the leaf logs in over TLS, and its readings are stored; strangers stay outside', async () => {
    const [webSocket = 0, leafnode = 0, http = 0, mqtt = 0] = await freePorts(4)
    const here = (port: number): object => ({ host: '127.0.0.1', port })
    const hub = await run('secure/hub.conf', {
      websocket: here(webSocket),
      leafnodes: here(leafnode),
      http: `127.0.0.1:${http}`,
    })
    const leaf = await run(
      'secure/leaf.conf',
      { http: '127.0.0.1:-1', mqtt: here(mqtt) },
      { ...ENVIRONMENT, HUB_URL: `"wss://press-7:press-secret@localhost:${webSocket}"` },
    )
    leaf.client().publish('plant.press-7.temp', Buffer.from('21.5'))
    const servers = `localhost:${hub.ports.client.port}`
    const tls = { caFile: authority.ca_file }
    const dashboard = await connect({ servers, tls, user: 'dashboard', pass: 'dashboard-secret' })
    try {
      const stored = await until(
        'the reading',
        async () => {
          const info = await dashboard.request('$JS.API.STREAM.INFO.plant')
          return info.json<{ state: { messages: number } }>().state.messages
        },
        (messages) => messages === 1,
        DEADLINE_MS,
      )
      assert.equal(stored, 1)
      const status = await dashboard.request('$FLEET.STATUS')
      assert.equal(status.json<{ leaves: { name: string }[] }>().leaves[0]?.name, 'press-7')
      // Not among what it may publish: nobody answers, and the stream is still there.
      await assert.rejects(dashboard.request('$JS.API.STREAM.DELETE.plant', '', { timeout: 300 }))
    } finally {
      await dashboard.close()
    }
    const varz = (await (await fetch(`http://127.0.0.1:${http}/varz`)).json()) as Varz
    const certificate = new X509Certificate(await readFile(path.join(folder, 'tls/server.pem')))
    const endsMs = Date.parse(certificate.validTo)
    for (const block of [varz, varz.leaf, varz.websocket]) {
      assert.equal(Date.parse(block.tls_cert_not_after), endsMs)
    }
    const options = { servers, tls, reconnect: false }
    await assert.rejects(connect(options), /Authorization/i)
    const stolen = { user: 'press-7', pass: 'press-secret' }
    await assert.rejects(connect({ ...options, ...stolen }), /Authorization/i)
  })

  it('supercluster: the three hubs find each other, and answer for each other', async () => {
    const names = ['eu-1', 'eu-2', 'us-1']
    const ports = new Map<string, readonly number[]>()
    for (const name of names) ports.set(name, await freePorts(6))
    const portOf = (name: string, index: number): number => ports.get(name)?.[index] ?? 0
    const gateways = [
      { name: 'eu', url: `nats://127.0.0.1:${portOf('eu-1', 1)}` },
      { name: 'us', url: `nats://127.0.0.1:${portOf('us-1', 1)}` },
    ]
    for (const name of names) {
      const here = (index: number): object => ({ host: '127.0.0.1', port: portOf(name, index) })
      const isSecond = name === 'eu-2'
      await run(`supercluster/${name}.conf`, {
        ...here(2),
        http: `127.0.0.1:${portOf(name, 3)}`,
        websocket: here(4),
        leafnodes: here(5),
        cluster: {
          ...here(0),
          advertise: '',
          routes: isSecond ? [`nats://127.0.0.1:${portOf('eu-1', 0)}`] : [],
        },
        gateway: { ...here(1), advertise: '', gateways },
      })
    }
    const page = await fetch(`http://127.0.0.1:${portOf('eu-1', 3)}/jsz?streams=1`)
    const { account_details: accounts } = (await page.json()) as Jsz
    const streams = accounts.flatMap(({ stream_detail }) => stream_detail ?? [])
    // `nats audit gather` files streams by it.
    assert.deepEqual(streams[0]?.cluster, { name: 'eu', leader: 'eu-1' })
    const admin = await connect({
      servers: `localhost:${portOf('us-1', 2)}`,
      tls: { caFile: authority.ca_file },
      user: 'admin',
      pass: 'admin-secret',
    })
    const answering = async (): Promise<string> => {
      const found: string[] = []
      for await (const it of await admin.requestMany('$SYS.REQ.SERVER.PING', '', {
        maxWait: 300,
      })) {
        found.push(it.json<{ server: { name: string } }>().server.name)
      }
      return found.sort().join()
    }
    try {
      await until('all three', answering, (it) => it === names.join(), DEADLINE_MS)
    } finally {
      await admin.close()
    }
  })
})

/** The blocks of a page that are whole files: their first line names the role. */
async function examplesOf(page: string): Promise<Example[]> {
  const text = await readFile(path.join(ROOT, 'docs', page), 'utf8')
  return [...text.matchAll(/^```conf\n# (hub|leaf)\.conf\n([\s\S]*?)^```$/gm)].map((match, i) => {
    return { name: `${page}-${i}`, role: match[1] as Role, text: match[2] ?? '' }
  })
}

/** What `nsc generate config --nats-resolver` writes. */
async function operatorConf(folder: string): Promise<string> {
  const world = new JwtWorld()
  const system = world.system.getPublicKey()
  return [
    `operator: ${await world.operatorJwt()}`,
    `system_account: ${system}`,
    `resolver { type: full, dir: "${folder}/jwt", allow_delete: false, interval: "2m", limit: 1000 }`,
    `resolver_preload { ${system}: ${await world.accountJwt({}, { account: world.system, name: 'SYS' })} }`,
  ].join('\n')
}
