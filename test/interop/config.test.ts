import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as path from 'node:path'
import { createAccount, createCurve, createOperator, createUser } from '@nats-io/nkeys'
import { checkConfig, formatProblem, loadConfig } from '../../shared/config/index.ts'
import { parseText } from '../../shared/config/parser.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { CORPUS, type CorpusFile, corpusText } from '../support/config-corpus.ts'
import { ConfigFiles } from '../support/config-files.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

const PEER = path.resolve(import.meta.dirname, '../../.peers/bin/nats-server')
const BINARY = process.env['NATS_SERVER'] ?? (existsSync(PEER) ? PEER : 'nats-server')

/** Texts and whether nats-server takes them; where we differ on purpose, parser.ts says so. */
const SYNTAX: readonly (readonly [text: string, isFine: boolean])[] = [
  ['port: 4222', true],
  ['port=4222', true],
  ['port 4222', true],
  ['port\n4222', true],
  ['port: 4222, host: "a"', true],
  ['port: 4222; host: a', true],
  ['{ "port": 4222, "host": "a" }', true],
  ['{\n"port": 4222\n"host": "a"\n}', true],
  ['authorization { user: a, password: "b" }', true],
  ['authorization\n{\nuser: a\npassword: b\n}', true],
  ['authorization: { user = a; password = "b # c" } # d', true],
  ["server_name: 'a\"b' // c", true],
  ['server_name: "\\x41\\"\\\\"', true],
  ['A: 1kb\nmax_payload: $A', true],
  [
    'leafnodes { remotes [ { url: "nats-leaf://a:1" }\n { urls: ["ws://b:2", "nats://c"] } ] }',
    true,
  ],
  ['server_name: (\nx\n)', true],
  ['debug: yes\ntrace: OFF\nlogtime: On', true],
  ['authorization { users: [ {user: a, password: $2a$11$abc} ] }', true],
  ['port:\n4222', false],
  ['port: 4222 host: a', false],
  ['port: [1 2', false],
  ['authorization { user: a', false],
  ['server_name: "a', false],
  ['server_name: "\\q"', false],
  ['port: [1,,2]', false],
  ['port: $NOWHERE_AT_ALL', false],
]

describe('config corpus, beside nats-server', function () {
  this.timeout(60_000)
  let files: ConfigFiles
  let authority: CertificateAuthority
  let values: Readonly<Record<string, string>>
  before(async () => {
    files = await ConfigFiles.create()
    authority = new CertificateAuthority()
    const { cert_file: CERT, key_file: KEY } = authority.server()
    values = {
      CERT,
      KEY,
      CA: authority.ca_file,
      USER: createUser().getPublicKey(),
      ACCOUNT: createAccount().getPublicKey(),
      CURVE: createCurve().getPublicKey(),
      OPERATOR: createOperator().getPublicKey(),
      SEED: new TextDecoder().decode(createUser().getSeed()),
    }
  })
  after(async () => {
    authority.remove()
    await files.remove()
  })

  for (const entry of CORPUS) {
    it(`${entry.name}: ${entry.theirs}${entry.refusedHere === undefined ? '' : ', not here'}`, async () => {
      const file = await files.write('corpus.conf', corpusText(entry, values))
      assertTheirs(entry, file)
      const { problems } = await checkConfig(new SystemDisk(), file)
      const said = problems.map(formatProblem).join('\n')
      if (entry.refusedHere !== undefined) assert.match(said, entry.refusedHere)
      else assert.equal(said === '', entry.theirs === 'fine', said)
    })
  }
})

/** `-t` looks at the file alone; the rest is found by a server that starts, on any free port. */
function assertTheirs(entry: CorpusFile, file: string): void {
  const args = ['-t', '-c', file]
  const checked = spawnSync(BINARY, args, { encoding: 'utf8' })
  assert.equal(checked.status === 0, entry.theirs !== 'refused', checked.stderr)
  if (entry.theirs !== 'refused at start') return
  const started = spawnSync(BINARY, ['-a', '127.0.0.1', '-p', '-1', '-c', file], {
    encoding: 'utf8',
    timeout: 10_000,
  })
  assert.equal(started.status, 1, started.stderr)
}

describe('config, beside nats-server', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  for (const [text, isFine] of SYNTAX) {
    it(`${isFine ? 'takes' : 'refuses'} ${JSON.stringify(text)}`, async () => {
      const file = await files.write('syntax.conf', text)
      const theirs = spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8' })
      assert.equal(theirs.status === 0, isFine, theirs.stderr)
      if (isFine) parseText(text, file)
      else await assert.rejects(loadConfig(new SystemDisk(), file, 'leaf'))
    })
  }

  it('reads numbers, sizes and durations as nats-server does', async () => {
    const text = [
      'max_payload: 1kb',
      'max_pending: 3m',
      'max_control_line: 2Ki',
      'max_connections: 1k',
      'ping_interval: "1m30s"',
      'ping_max: 7',
      'write_deadline: "2.5s"',
      'server_name: $NAME_TO_USE',
      'NAME_TO_USE: never',
      'authorization { timeout: 3 }',
    ].toSorted((a, b) => Number(a.startsWith('server')) - Number(b.startsWith('server')))
    const peer = await NatsServerPeer.start(`${text.join('\n')}\nhttp: "127.0.0.1:-1"`)
    try {
      const port = /Starting http monitor on 127\.0\.0\.1:(\d+)/.exec(peer.output)?.[1]
      const response = await fetch(`http://127.0.0.1:${port}/varz`)
      const theirs = (await response.json()) as Record<string, unknown>
      const file = await files.write('values.conf', text.join('\n'))
      const { config } = await loadConfig(new SystemDisk(), file, 'hub')
      assert.deepEqual(
        {
          max_payload: config.max_payload,
          max_pending: config.max_pending,
          max_control_line: config.max_control_line,
          max_connections: config.max_connections,
          ping_interval: config.ping_interval * 1e6,
          ping_max: config.ping_max,
          write_deadline: config.write_deadline * 1e6,
          server_name: config.server_name,
          auth_timeout: config.authorization.timeout / 1000,
        },
        Object.fromEntries(
          [
            'max_payload',
            'max_pending',
            'max_control_line',
            'max_connections',
            'ping_interval',
            'ping_max',
            'write_deadline',
            'server_name',
            'auth_timeout',
          ].map((name) => [name, theirs[name]]),
        ),
      )
    } finally {
      await peer.stop()
    }
  })
})
