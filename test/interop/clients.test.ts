import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { certificates, nkeyUser, operatorMode } from './clients/credentials.ts'
import { ServerUnderTest } from './clients/server-under-test.ts'
import { languages, type Program, programIn } from './clients/toolchains.ts'

/**
 * The official clients of other languages against the drop-in `nats-server`: what clients do, and every way to log
 * in. `INTEROP_SERVER=/path/to/nats-server` tries the programs and their expectations on the real one.
 */

const PLAIN_SCENARIOS = [
  'publish-subscribe',
  'wildcards',
  'queue-group',
  'request-reply',
  'headers',
  'no-responders',
  'large-message',
  'unsubscribe-after',
  'drain',
  'service',
  'jetstream',
]

const STREAM_SCENARIOS = [
  'expectations',
  'consume',
  'redelivery',
  'ordered-consumer',
  'push-consumer',
  'copies',
  'key-value',
  'object-store',
]
/** Whose programs do all of that. */
const STREAM_LANGUAGES = ['go', 'python']

/** What the drop-in is told, and what the clients show to it. */
interface Door {
  readonly name: string
  readonly config: string
  /** `nats` where it is not said. */
  readonly scheme?: 'tls' | 'ws' | 'wss'
  readonly lets: readonly (readonly [scenario: string, flags: readonly string[]])[]
}

describe('official clients of other languages', function () {
  this.timeout(60_000)
  const directory = mkdtempSync(path.join(tmpdir(), 'petiole-clients-'))
  const programs = new Map<string, Program>()
  const doors: Door[] = []
  const servers: ServerUnderTest[] = []

  before('fetch and build the clients', async function () {
    this.timeout(300_000)
    for (const language of languages()) {
      const program = await programIn(language)
      programs.set(language, program)
      if ('missing' in program) console.log(`    no ${language} client here: ${program.missing}`)
    }
    doors.push(...(await loginDoors(directory)))
  })

  after(async () => {
    for (const server of servers) await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  async function serve(name: string, config: string): Promise<ServerUnderTest> {
    const server = await ServerUnderTest.start(directory, name, config)
    servers.push(server)
    return server
  }

  /** Skips the test when the language is not to be had; else the output of the scenario, which came true. */
  async function play(
    test: Mocha.Context,
    language: string,
    scenario: string,
    server: ServerUnderTest,
    flags: readonly string[] = [],
    { scheme = 'nats', onConnected }: PlayOptions = {},
  ): Promise<void> {
    const program = programs.get(language)
    if (program === undefined || 'missing' in program) return test.skip()
    const [command = '', ...args] = program.command
    const port = scheme.startsWith('ws') ? server.websocketPort : server.port
    const url = `${scheme}://127.0.0.1:${port}`
    const child = spawn(command, [...args, scenario, url, ...flags])
    let said = ''
    let complaints = ''
    child.stderr.on('data', (bytes: Buffer) => {
      complaints += bytes
    })
    child.stdout.on('data', (bytes: Buffer) => {
      const isFirst = !said.includes('connected\n')
      said += bytes
      if (isFirst && said.includes('connected\n')) void onConnected?.()
    })
    const [code] = await once(child, 'close')
    assert.equal(code, 0, `${language} ${scenario} ${flags.join(' ')}: ${said}${complaints}`)
    assert.match(said, /ok\n$/)
  }

  for (const language of languages()) {
    describe(`${language} at a server that asks for nothing`, () => {
      let server: ServerUnderTest
      before(async () => {
        server = await serve(
          `open-${language}`,
          `jetstream { store_dir: "${directory}/${language}-store" }`,
        )
      })
      const isThorough = STREAM_LANGUAGES.includes(language)
      for (const scenario of [...PLAIN_SCENARIOS, ...(isThorough ? STREAM_SCENARIOS : [])]) {
        it(scenario, function () {
          return play(this, language, scenario, server)
        })
      }
      it('reconnect', function () {
        const restart = async (): Promise<void> => {
          await server.stop()
          await server.start()
        }
        return play(this, language, 'reconnect', server, [], { onConnected: restart })
      })
    })
  }

  for (const name of [
    'users',
    'token',
    'operator',
    'tls',
    'mutual tls',
    'tls first',
    'websocket',
    'secure websocket',
  ]) {
    describe(`login: ${name}`, () => {
      let server: ServerUnderTest
      let door: Door
      before(async () => {
        const found = doors.find((candidate) => candidate.name === name)
        assert.ok(found)
        door = found
        server = await serve(name.replace(' ', '-'), door.config)
      })
      for (const language of languages()) {
        it(language, async function () {
          this.timeout(60_000)
          for (const [scenario, flags] of door.lets) {
            await play(this, language, scenario, server, flags, door)
          }
        })
      }
    })
  }
})

interface PlayOptions {
  readonly scheme?: Door['scheme'] | 'nats'
  readonly onConnected?: () => Promise<void>
}

async function loginDoors(directory: string): Promise<Door[]> {
  const nkey = nkeyUser(directory, 'user')
  const stranger = nkeyUser(directory, 'stranger')
  const { config: operator, credsFile, strangersCredsFile } = await operatorMode(directory)
  const file = await certificates(directory)
  const tls = `cert_file: "${file('server.pem')}", key_file: "${file('server-key.pem')}"`
  const ca = ['--ca', file('ca.pem')]
  const joe = ['--user', 'joe', '--password', 'secret']
  const users = `authorization { users: [
    { user: joe, password: secret, permissions { publish { deny: "secret.>" }, subscribe { deny: "secret.>" } } }
    { nkey: ${nkey.publicKey} }
  ] }`
  return [
    {
      name: 'users',
      config: users,
      lets: [
        ['publish-subscribe', joe],
        ['forbidden', joe],
        ['refused', ['--user', 'joe', '--password', 'wrong']],
        ['refused', []],
        ['publish-subscribe', ['--nkey', nkey.seedFile]],
        ['refused', ['--nkey', stranger.seedFile]],
      ],
    },
    {
      name: 'token',
      config: 'authorization { token: "s3cr3t" }',
      lets: [
        ['publish-subscribe', ['--token', 's3cr3t']],
        ['refused', ['--token', 'guessed']],
      ],
    },
    {
      name: 'operator',
      config: operator,
      lets: [
        ['publish-subscribe', ['--creds', credsFile]],
        ['refused', ['--creds', strangersCredsFile]],
      ],
    },
    {
      name: 'tls',
      // With `nats://` some clients do without TLS when the server does not offer it, whatever they were told.
      scheme: 'tls',
      config: `tls { ${tls} }\n${users}`,
      lets: [
        ['publish-subscribe', [...ca, ...joe]],
        ['refused', ca],
        ['no-handshake', ['--ca', file('client.pem'), ...joe]],
      ],
    },
    {
      name: 'mutual tls',
      scheme: 'tls',
      config: `tls { ${tls}, ca_file: "${file('ca.pem')}", verify: true }`,
      lets: [
        [
          'publish-subscribe',
          [...ca, '--cert', file('client.pem'), '--key', file('client-key.pem')],
        ],
        ['no-handshake', ca],
      ],
    },
    {
      name: 'tls first',
      scheme: 'tls',
      config: `tls { ${tls}, handshake_first: true }`,
      lets: [['large-message', [...ca, '--tls-first']]],
    },
    {
      name: 'websocket',
      scheme: 'ws',
      config: `websocket { listen: "127.0.0.1:%WEBSOCKET_PORT%", no_tls: true, compression: true }\n${users}`,
      lets: [
        ['large-message', joe],
        ['request-reply', joe],
        ['refused', []],
      ],
    },
    {
      name: 'secure websocket',
      scheme: 'wss',
      config: `websocket { listen: "127.0.0.1:%WEBSOCKET_PORT%", tls { ${tls} } }\n${users}`,
      lets: [['large-message', [...ca, ...joe]]],
    },
  ]
}
