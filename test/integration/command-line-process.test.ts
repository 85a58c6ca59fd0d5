import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { until } from '../support/fleet-harness.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

/** The process as whoever starts a `nats-server` knows it: words, files, signals. */

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

function natsServer(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'nats-server', ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

describe('command line: a process like nats-server', function () {
  this.timeout(60_000)
  let folder: string
  let started: PetioleProcess[] = []

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-process-'))
  })

  afterEach(async () => {
    await Promise.all(started.map((each) => each.kill()))
    started = []
    await rm(folder, { recursive: true, force: true })
  })

  async function start(text: string, ...args: string[]) {
    const file = path.join(folder, 'server.conf')
    await writeFile(file, `listen: "127.0.0.1:-1"\n${text}`)
    const server = new PetioleProcess('server', ['nats-server', '-c', file, ...args])
    started.push(server)
    await server.start()
    return { server, file, port: await portOf(server) }
  }

  function portOf(server: PetioleProcess): Promise<string> {
    const line = (): string =>
      server.log.find((each) => each.includes('Listening for client')) ?? ''
    return until('port', () => /:(\d+)$/.exec(line())?.[1] ?? '', Boolean, DEADLINE_MS)
  }

  function said(server: PetioleProcess, words: RegExp): Promise<string> {
    return until(
      String(words),
      () => server.log.join('\n'),
      (log) => words.test(log),
      DEADLINE_MS,
    )
  }

  it('says its version, its flags, and whether a file is valid', async () => {
    assert.match((await natsServer('-v')).out, /^nats-server: v\d+\.\d+\.\d+\n$/)
    assert.match((await natsServer('--help')).out, /--tlscert FILE/)
    const file = path.join(folder, 'a.conf')
    await writeFile(file, 'port: 4333')
    const fine = await natsServer('-t', '-c', file)
    assert.equal(fine.code, 0)
    // The digest is the one of nats-server 2.15.
    const digest = 'sha256:5942f6739f1572892ba80b954eee212713f172258629e16936dfeeae8e2eb80d'
    assert.equal(fine.err, `nats-server: configuration file ${file} is valid (${digest})\n`)
    await writeFile(file, 'prot: 4333')
    const wrong = await natsServer('-t', '-c', file)
    assert.equal(wrong.code, 1)
    assert.match(wrong.err, /^nats-server: .*a\.conf:1: prot: unknown key/)
    const refused = await natsServer('--syslog')
    assert.match(refused.err, /^nats-server: -syslog is not supported, because /)
  })

  const refusedAtStart: readonly (readonly [what: string, file: string, text: RegExp])[] = [
    [
      'an import that is there twice',
      `accounts {
         A { exports: [ { stream: "exp.>" } ] }
         B { imports: [ { stream: { account: A, subject: "exp.>" }, prefix: imp }, { stream: { account: A, subject: "exp.>" } } ] }
       }`,
      /stream import already exists/,
    ],
    [
      'a mapping by a token that is not there',
      'mappings { a.*: "b.{{partition(10,2)}}" }',
      /invalid mapping destination: wildcard index out of range in \{\{partition\(10,2\)\}\}/,
    ],
    [
      'latency that goes to more than one subject',
      'accounts { A { exports: [ { service: "svc", latency: { sampling: 50%, subject: "x.*" } } ] } }',
      /Error adding service latency sampling for "svc" on subject "x\.\*": invalid publish subject/,
    ],
  ]
  for (const [what, text, refusal] of refusedAtStart) {
    it(`finds no file valid that it would not start with: ${what}`, async () => {
      const file = path.join(folder, 'a.conf')
      await writeFile(file, `port: -1\n${text}`)
      for (const flags of [
        ['-t', '-c', file],
        ['-c', file],
      ]) {
        const { code, err } = await natsServer(...flags)
        assert.equal(code, 1, flags.join(' '))
        assert.match(err, refusal)
      }
    })
  }

  it('is a leaf when its file dials hubs', async () => {
    const store = path.join(folder, 'store')
    const { server } = await start(
      `server_name: edge\nstore_dir: "${store}"\nleafnodes { remotes: [ { url: "nats://127.0.0.1:1" } ] }`,
    )
    await until('store', () => existsSync(path.join(store, 'store.json')), Boolean, DEADLINE_MS)
    assert.equal(await server.stop(), 0)
  })

  it("logs nats-server's lines, with what harnesses look for", async () => {
    const { server } = await start('http: "127.0.0.1:-1"\nwebsocket { port: -1, no_tls: true }')
    const lines = server.log
    for (const line of lines) {
      assert.match(line, /^\[\d+\] \d{4}(\/\d\d){2} \d\d(:\d\d){2}\.\d{6} \[(INF|WRN)\] /)
    }
    const text = lines.join('\n')
    for (const words of [
      'Starting nats-server',
      '  Version:  ',
      'Listening for client connections on 127.0.0.1:',
      'Listening for websocket clients on ws://',
      'Starting http monitor on 127.0.0.1:',
      'Server is ready',
    ]) {
      assert(text.includes(`[INF] ${words}`), `${words} in ${text}`)
    }
  })

  it('introduces itself as nats-server does, and shows in /varz what it runs on', async () => {
    const store = path.join(folder, 'store')
    const { server, file } = await start(
      `server_name: abc\nhttp: "127.0.0.1:-1"\ncluster { name: eu, listen: "127.0.0.1:-1" }\njetstream { store_dir: "${store}" }\nports_file_dir: "${folder}"`,
    )
    const words = server.log.map((line) => line.replace(/^.*?\[INF\] /, ''))
    const id = /^ {2}ID: {7}(N[A-Z2-7]{55})$/.exec(words[6] ?? '')?.[1]
    assert.ok(id !== undefined, words.join('\n'))
    assert.deepEqual(words.slice(3, 6), [
      '  Cluster:  eu',
      '  Name:     abc',
      '  Node:     0wM5J1Lm',
    ])
    const digest = /^Using configuration file: (.*) \((sha256:[0-9a-f]{64})\)$/.exec(words[7] ?? '')
    assert.equal(digest?.[1], file)
    const portsFile = path.join(folder, `nats-server_${server.pid}.ports`)
    const text = await until(
      'ports',
      () => readFile(portsFile, 'utf8').catch(() => ''),
      Boolean,
      DEADLINE_MS,
    )
    const ports = JSON.parse(text) as Record<string, string[]>
    assert.deepEqual(Object.keys(ports), ['nats', 'monitoring', 'cluster'])
    assert.match(ports['cluster']?.[0] ?? '', /^nats:\/\/127\.0\.0\.1:\d+$/)
    const varz = (await (await fetch(`${ports['monitoring']?.[0]}/varz`)).json()) as Record<
      string,
      unknown
    >
    assert.equal(varz['server_id'], id)
    assert.equal(varz['config_digest'], digest?.[2])
  })

  it('under its own name logs JSON when piped, or as the file says', async () => {
    const file = path.join(folder, 'own.conf')
    for (const [format, first] of [
      ['', /^\{"level":"info".*"msg":"Starting petiole"\}$/],
      ['log_format: text', /^\[\d+\] .*\[INF\] Starting petiole$/],
    ] as const) {
      await writeFile(file, `listen: "127.0.0.1:-1"\n${format}`)
      const server = new PetioleProcess('server', ['hub', '-c', file])
      started.push(server)
      await server.start()
      assert.match(server.log[0] ?? '', first)
      assert.equal(await server.stop(), 0)
    }
  })

  if (process.platform === 'linux') {
    it('says once, at the start, that the system lets fewer files be open than connections may come', async () => {
      const { server } = await start('max_connections: 1000000000')
      const words =
        /\[WRN\] the system lets this process open \d+ files, and 1000000000 connections/
      await said(server, words)
      process.kill(server.pid, 'SIGHUP')
      await said(server, /Reloaded server configuration/)
      assert.equal(server.log.filter((line) => words.test(line)).length, 1)
    })
  }

  it('leaves its id and its ports beside it, and takes them away', async () => {
    const pidFile = path.join(folder, 'pid')
    const { server, port } = await start(`pid_file: "${pidFile}"`, '--ports_file_dir', folder)
    const portsFile = path.join(folder, `nats-server_${server.pid}.ports`)
    const text = await until(
      'ports file',
      () => readFile(portsFile, 'utf8').catch(() => ''),
      (it) => it !== '',
      DEADLINE_MS,
    )
    assert.deepEqual(JSON.parse(text), { nats: [`nats://127.0.0.1:${port}`] })
    assert.equal(await readFile(pidFile, 'utf8'), String(server.pid))
    assert.equal((await natsServer('--signal', `quit=${pidFile}`)).code, 0)
    await until(
      'end',
      () => server.isRunning,
      (isRunning) => !isRunning,
      DEADLINE_MS,
    )
    assert.deepEqual(await readdir(folder), ['server.conf'])
  })

  it('does not start where its id cannot be written, and makes no folders for it', async () => {
    const file = path.join(folder, 'a.conf')
    await writeFile(file, `listen: "127.0.0.1:-1"\npid_file: "${folder}/none/pid"`)
    const { code, err } = await natsServer('-c', file)
    assert.equal(code, 1)
    assert.match(err, /Could not write pidfile: .*no such file or directory/)
    assert.deepEqual(await readdir(folder), ['a.conf'])
  })

  it('goes on with a changed file, or says why not and stays as it is', async () => {
    const { server, file, port } = await start('')
    const login = async (options: object): Promise<string> => {
      const client = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, ...options })
      await client.close()
      return 'in'
    }
    assert.equal(await login({}), 'in')
    const base = `listen: "127.0.0.1:-1"\n`
    await writeFile(file, `${base}authorization { user: a, password: b }\ndebug: true`)
    await natsServer('--signal', `reload=${server.pid}`)
    await said(server, /Reloaded: debug[\s\S]*Reloaded server configuration \(sha256:/)
    await assert.rejects(login({}), /Authorization Violation/i)
    assert.equal(await login({ user: 'a', pass: 'b' }), 'in')

    await writeFile(file, `${base}prot: 1\nmax_payload: x`)
    process.kill(server.pid, 'SIGHUP')
    await said(server, /Failed to reload server configuration: .*server\.conf:2: prot: unknown key/)
    await said(server, /Failed to reload server configuration: .*server\.conf:3: max_payload: /)
    await writeFile(file, `${base}server_name: other`)
    process.kill(server.pid, 'SIGHUP')
    await said(server, /Failed to reload .*: config reload not supported for ServerName/)
    assert.equal(await login({ user: 'a', pass: 'b' }), 'in')
  })

  it('opens its log file anew', async () => {
    const log = path.join(folder, 'server.log')
    const file = path.join(folder, 'server.conf')
    await writeFile(file, `listen: "127.0.0.1:-1"\nlog_file: "${log}"\npid_file: "${folder}/pid"`)
    const server = new PetioleProcess('server', ['nats-server', '-c', file])
    started.push(server)
    // It says nothing on its standard error: ready is when its id is there.
    server.start().catch(() => {})
    await until('pid', () => existsSync(path.join(folder, 'pid')), Boolean, DEADLINE_MS)
    await rename(log, `${log}.old`)
    process.kill(server.pid, 'SIGUSR1')
    const text = await until(
      'new file',
      () => readFile(log, 'utf8').catch(() => ''),
      (it) => it.includes('File log re-opened'),
      DEADLINE_MS,
    )
    assert.match(text, /^\[\d+\] .*\[INF\] File log re-opened\n$/)
    assert.match(await readFile(`${log}.old`, 'utf8'), /Trapped "user defined signal 1" signal\n$/)
  })

  it('leaves as a lame duck', async () => {
    const { server, port } = await start('lame_duck_grace_period: "1ms"')
    const client = await connect({ servers: `127.0.0.1:${port}`, reconnect: false })
    await client.close()
    assert.equal((await natsServer('--signal', `ldm=${server.pid}`)).code, 0)
    await said(server, /Entering lame duck mode/)
    await until(
      'end',
      () => server.isRunning,
      (isRunning) => !isRunning,
      DEADLINE_MS,
    )
    await said(server, /Server Exiting/)
  })

  it('says what is wrong with a signal', async () => {
    const unknown = await natsServer('--signal', `restart=${process.pid}`)
    assert.equal(unknown.code, 1)
    assert.equal(unknown.err, 'nats-server: unknown signal "restart"\n')
    const nobody = await natsServer('--signal', 'reload=99999999')
    assert.equal(nobody.err, 'nats-server: \nsignal "reload" 99999999: no such process\n')
  })
})
