import type { ClientMessage, NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { Tasks } from '../../shared/runtime/index.ts'
import {
  RELEASE_SUBJECT,
  RELEASES_SUBJECT,
  releaseSubject,
  STATUS_SUBJECT,
} from '../../shared/sync/index.ts'
import type { FleetStatus } from './fleet-status.ts'

/** What a desk gives out, to whom it depends on the account that it stands in. */
export interface DeskAnswers {
  status(asker: ClientMessage): Promise<FleetStatus>
  /**
   * Gives a leaf's name free.
   * @param token the account as a subject names it; '' for the one that the desk stands in
   * @param asker whose request it is
   * @returns why it could not be done; undefined when it was
   */
  release(name: string, token: string, asker: ClientMessage): Promise<string | undefined>
}

export interface FleetDeskOptions {
  readonly client: NatsClient
  readonly log: Log
  readonly answers: DeskAnswers
  /** It speaks for all accounts, so one may be named. */
  readonly isForAll: boolean
}

const RELEASE_PREFIX = `${RELEASE_SUBJECT}.`

/** Answers `$FLEET.STATUS` and `$FLEET.RELEASE` in one account. */
export class FleetDesk {
  readonly #client: NatsClient
  readonly #answers: DeskAnswers
  readonly #isForAll: boolean
  readonly #tasks: Tasks
  #stop: (() => void)[] = []

  constructor({ client, log, answers, isForAll }: FleetDeskOptions) {
    this.#client = client
    this.#answers = answers
    this.#isForAll = isForAll
    this.#tasks = new Tasks((name, error) => log.error({ name, err: error }, 'request failed'))
  }

  start(): void {
    // Each hub answers for itself.
    const choices = { isConfined: true }
    const subjects = this.#isForAll ? [RELEASE_SUBJECT, RELEASES_SUBJECT] : [RELEASE_SUBJECT]
    this.#stop = [
      this.#client.subscribe(STATUS_SUBJECT, (message) => this.#asked(message), choices),
      ...subjects.map((subject) =>
        this.#client.subscribe(subject, (message) => this.#release(message), choices),
      ),
    ]
  }

  async drain(): Promise<void> {
    this.#close()
    await this.#tasks.drain()
  }

  async destroy(): Promise<void> {
    this.#close()
    await this.#tasks.destroy()
  }

  #close(): void {
    for (const stop of this.#stop) stop()
    this.#stop = []
  }

  #asked(message: ClientMessage): void {
    if (message.reply === '') return
    this.#tasks.run('fleet-status', async () => {
      const status = await this.#answers.status(message)
      this.#client.publish(message.reply, Buffer.from(JSON.stringify(status)))
    })
  }

  /** An operator at the hub may do this, nobody at a leaf. */
  #release(message: ClientMessage): void {
    const { subject, origin, payload, reply } = message
    if (reply === '') return
    const name = Buffer.from(payload).toString()
    const token = subject.startsWith(RELEASE_PREFIX) ? subject.slice(RELEASE_PREFIX.length) : ''
    const isLeaf = origin?.kind === 'leaf'
    this.#tasks.run('fleet-release', async () => {
      const error = isLeaf
        ? 'names are released at the hub only'
        : await this.#answers.release(name, token, message)
      const answer = error === undefined ? { released: name } : { error }
      this.#client.publish(reply, Buffer.from(JSON.stringify(answer)))
    })
  }
}

/** Whether a subject's token names this account. */
export function namesAccount(token: string, account: string): boolean {
  return releaseSubject(account) === RELEASE_PREFIX + token
}
