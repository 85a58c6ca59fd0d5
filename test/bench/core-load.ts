import { CONNECT, RawSocket } from './raw-socket.ts'

/**
 * The load of the core benchmark, in a process of its own: raw sockets publish, others count the bytes
 * of what arrives. Messages of a run have one size, and are counted by dividing.
 */
export interface CoreLoad {
  readonly host: string
  readonly port: number
  readonly payloadBytes: number
  /** Publications, all publishers together. */
  readonly messages: number
  readonly layout: CoreLayout
}

/**
 * - `fan`: one publisher, every one of `receivers` gets everything
 * - `pairs`: as many publishers as receivers, each with a subject of its own
 * - `wildcard`: one publisher on `subjects` subjects, one receiver of them all
 * - `queue`: one publisher, receivers share
 */
export type CoreLayout =
  | { readonly name: 'fan' | 'pairs' | 'queue'; readonly receivers: number }
  | { readonly name: 'wildcard'; readonly subjects: number }

export interface CoreLoadResult {
  /** Delivered, all receivers together. */
  readonly messages: number
  readonly seconds: number
  readonly messagesPerSecond: number
  /** Cores that the generator itself kept busy: near 1 and it is the limit. */
  readonly generatorCores: number
}

const WRITE_BYTES = 256 * 1024

interface Plan {
  /** What each receiver sends to subscribe. */
  readonly subscriptions: readonly string[]
  /** The subjects of each publisher, of equal length. */
  readonly publishers: readonly (readonly string[])[]
  /** Deliveries per publication. */
  readonly copies: number
}

function planOf(layout: CoreLayout): Plan {
  if (layout.name === 'wildcard') {
    const subjects = Array.from({ length: layout.subjects }, (_, i) => `bench.${100_000 + i}`)
    return { subscriptions: ['SUB bench.* 1'], publishers: [subjects], copies: 1 }
  }
  const each = Array.from({ length: layout.receivers }, (_, i) => i)
  if (layout.name === 'pairs') {
    return {
      subscriptions: each.map((i) => `SUB bench.${i} 1`),
      publishers: each.map((i) => [`bench.${i}`]),
      copies: 1,
    }
  }
  const queue = layout.name === 'queue' ? ' workers' : ''
  return {
    subscriptions: each.map(() => `SUB bench.core${queue} 1`),
    publishers: [['bench.core']],
    copies: queue === '' ? layout.receivers : 1,
  }
}

/** A block of whole publications that goes round the subjects. */
function blocksOf(subjects: readonly string[], payload: string): readonly Buffer[] {
  const one = `PUB ${subjects[0]} ${payload.length}\r\n${payload}\r\n`
  const perBlock = Math.max(1, Math.floor(WRITE_BYTES / one.length))
  const rounds = Math.ceil(subjects.length / perBlock)
  return Array.from({ length: rounds }, (_, round) => {
    const lines = Array.from({ length: perBlock }, (_, i) => {
      const subject = subjects[(round * perBlock + i) % subjects.length]
      return `PUB ${subject} ${payload.length}\r\n${payload}\r\n`
    })
    return Buffer.from(lines.join(''))
  })
}

async function run(load: CoreLoad): Promise<CoreLoadResult> {
  const plan = planOf(load.layout)
  const payload = 'x'.repeat(load.payloadBytes)
  const subject = plan.publishers[0]?.[0] ?? ''
  const one = `PUB ${subject} ${payload.length}\r\n${payload}\r\n`.length
  const delivery = `MSG ${subject} 1 ${payload.length}\r\n${payload}\r\n`.length
  const receivers = plan.subscriptions.map(() => new RawSocket(load))
  for (const [i, receiver] of receivers.entries()) {
    await receiver.settle(`${CONNECT}${plan.subscriptions[i]}\r\n`)
  }
  const senders = plan.publishers.map((subjects) => {
    return { sender: new RawSocket(load), blocks: blocksOf(subjects, payload) }
  })
  for (const { sender } of senders) await sender.settle(CONNECT)
  const perBlock = (senders[0]?.blocks[0]?.length ?? 0) / one
  const writes = Math.ceil(load.messages / senders.length / perBlock)
  const messages = writes * perBlock * senders.length * plan.copies
  const arrived = counted(receivers, messages * delivery)
  const startedNs = process.hrtime.bigint()
  const startedCpu = process.cpuUsage()
  await Promise.all(
    senders.map(async ({ sender, blocks }) => {
      for (let i = 0; i < writes; i++)
        await sender.write(blocks[i % blocks.length] ?? Buffer.alloc(0))
    }),
  )
  await arrived
  const seconds = Number(process.hrtime.bigint() - startedNs) / 1e9
  const cpu = process.cpuUsage(startedCpu)
  for (const { socket } of receivers) socket.destroy()
  for (const { sender } of senders) sender.socket.destroy()
  return {
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    generatorCores: (cpu.user + cpu.system) / 1e6 / seconds,
  }
}

/** Resolves when so many bytes have come, over all receivers: a queue group shares them by chance. */
function counted(receivers: readonly RawSocket[], bytes: number): Promise<void> {
  let left = bytes
  return new Promise((resolve) => {
    for (const receiver of receivers) {
      receiver.onBytes = (chunk) => {
        left -= chunk.length
        if (left <= 0) resolve()
      }
    }
  })
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
