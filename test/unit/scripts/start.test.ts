import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import * as path from 'node:path'
import { ConfigFiles } from '../../support/config-files.ts'
import { DEADLINE_MS } from '../../support/patience.ts'

const SCRIPT = path.resolve(import.meta.dirname, '../../../scripts/start.mjs')
const EXAMPLES = path.resolve(import.meta.dirname, '../../../deploy/examples')

/** `npm start` with the examples on ports of their own. */
class Started {
  readonly child: ChildProcess
  output = ''
  readonly ended: Promise<number>

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text
      })
    }
    this.ended = once(this.child, 'close').then(([code]) => code)
  }

  /** Resolves when the output holds `text`; rejects with the output when it ends or takes too long. */
  async says(text: string): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    while (!this.output.includes(text)) {
      const isOver = this.child.exitCode !== null || signal.aborted
      assert(!isOver, `never said ${JSON.stringify(text)}:\n${this.output}`)
      const turn = new AbortController()
      const either = { signal: AbortSignal.any([signal, turn.signal]) }
      await Promise.race([
        once(this.child.stdout!, 'data', either),
        once(this.child, 'close', either),
      ]).catch(() => {})
      // The one that lost the race listens no longer.
      turn.abort()
    }
  }
}

interface Ports {
  readonly nats: number
  readonly webSocket: number
  readonly leaf: number
  readonly mqtt: number
}

describe('npm start', () => {
  let files: ConfigFiles
  let started: Started | undefined
  before(async () => {
    files = await ConfigFiles.create()
  })
  afterEach(async () => {
    if (started?.child.exitCode !== null) return
    started.child.kill('SIGTERM')
    await started.ended
  })
  after(() => files.remove())

  it('runs both until Ctrl-C, which drains them', async () => {
    const { args, ports } = await onFreePorts(files)
    started = new Started(args)
    await started.says('── leaf is ready')
    assert(started.output.indexOf('── hub is ready') < started.output.indexOf('── leaf is ready'))
    await started.says(`mosquitto_pub -p ${ports.mqtt} -q 1`)
    await started.says(`fleet status --watch --hub nats://127.0.0.1:${ports.nats}`)
    await started.says('leaf attached')
    started.child.kill('SIGINT')
    assert.equal(await started.ended, 0, started.output)
    assert.match(
      started.output,
      /leaf +\S+ INFO +Server Exiting[\s\S]*hub +\S+ INFO +Server Exiting/,
    )
    for (const port of Object.values(ports)) await listenOnce(port)
  })

  it('a taken port is named, with the key that changes it, and nothing runs', async () => {
    const { args, ports } = await onFreePorts(files)
    const squatter = createServer().listen(ports.mqtt)
    await once(squatter, 'listening')
    started = new Started(args)
    assert.equal(await started.ended, 1)
    const leaf = path.join(files.directory, 'leaf.conf')
    assert(
      started.output.startsWith(
        `port ${ports.mqtt} is taken: MQTT sensors need it. Change mqtt.port in ${leaf}\n`,
      ),
      started.output,
    )
    assert(!started.output.includes('ready'))
    await listenOnce(ports.nats)
    await close(squatter)
  })

  it('a mistake in a file is named with its line, and nothing runs', async () => {
    const { args } = await onFreePorts(files)
    const leaf = await files.write('leaf.conf', 'mqtt { prot: 1883 }')
    started = new Started(args)
    assert.equal(await started.ended, 1)
    assert(started.output.includes(`${leaf}:1: mqtt.prot: unknown key, did you mean "port"?`))
  })

  it('a second Ctrl-C kills what does not stop', async () => {
    const { args, ports } = await onFreePorts(files)
    started = new Started(args)
    await started.says('leaf attached')
    process.kill(pidOf(started, 'leaf'), 'SIGSTOP')
    const again = setInterval(() => started?.child.kill('SIGINT'), 100)
    assert.equal(await started.ended, 1, started.output)
    clearInterval(again)
    await listenOnce(ports.mqtt)
  })

  it('when one is killed the other goes on, and when the last ends the exit code tells', async () => {
    const { args, ports } = await onFreePorts(files)
    started = new Started(args)
    await started.says('── leaf is ready')
    process.kill(pidOf(started, 'hub'), 'SIGKILL')
    await started.says('hub was killed (SIGKILL), the rest goes on')
    assert.match(started.output, /start it again with\n {2}node dist\/cli\.js hub -c /)
    await assert.rejects(listenOnce(ports.mqtt), { code: 'EADDRINUSE' })
    process.kill(pidOf(started, 'leaf'), 'SIGTERM')
    assert.notEqual(await started.ended, 0)
    await listenOnce(ports.mqtt)
  })
})

/** The process that `npm start` runs under this name. */
function pidOf(started: Started, name: string): number {
  return Number(new RegExp(`${name} is ready \\(process (\\d+)\\)`).exec(started.output)?.[1])
}

async function onFreePorts(files: ConfigFiles) {
  const [nats, webSocket, leaf, mqtt] = await Promise.all([1, 2, 3, 4].map(() => listenOnce(0)))
  const ports: Ports = { nats: nats!, webSocket: webSocket!, leaf: leaf!, mqtt: mqtt! }
  const example = async (role: string): Promise<string> => {
    const text = await readFile(path.join(EXAMPLES, `${role}.conf`), 'utf8')
    const local = text
      .replace(/^port: .*/m, `port: ${role === 'hub' ? nats : leaf}`)
      .replace(/^http_port: .*/m, '')
      .replace(/^leafnodes \{ port.*/m, '')
      .replaceAll('8443', String(webSocket))
      .replace('1883', String(mqtt))
      .replaceAll('./data', path.join(files.directory, `data-${nats}`))
    return files.write(`${role}.conf`, local)
  }
  const args = ['--hub', await example('hub'), '--leaf', await example('leaf')]
  return { args, ports }
}

/** Listens for a moment: the port is free, or 0 finds one that is. */
async function listenOnce(port: number): Promise<number> {
  const server = createServer().listen(port)
  await once(server, 'listening')
  const address = server.address()
  await close(server)
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

async function close(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
