import type { MqttRemoteConfig } from '../../shared/config/index.ts'
import { LEVEL, type Level } from '../codec/index.ts'

/** Connections that a broker may close without a word before another version is tried: it may only be busy. */
const SILENT_CLOSES_MAX = 3

/**
 * Which version a broker is spoken to in: MQTT 5 first, and 3.1.1 with one that does not know it. Old brokers
 * say so, or go when they hear it; of the latter three in a row are believed.
 */
export class VersionChoice {
  level: Level
  readonly #isFree: boolean
  #silentCloses = 0

  constructor(version: MqttRemoteConfig['version']) {
    this.level = version === '3.1.1' ? LEVEL.v311 : LEVEL.v5
    this.#isFree = version === 'auto'
  }

  get text(): string {
    return this.level === LEVEL.v5 ? '5' : '3.1.1'
  }

  /** A CONNACK said yes. */
  accepted(): void {
    this.#silentCloses = 0
  }

  /** The broker named the version as its reason. True: the other one is to be tried at once. */
  refused(): boolean {
    if (!this.#isFree) return false
    const isFirst = this.level === LEVEL.v5
    this.#change()
    return isFirst
  }

  /** It closed, or was silent, before a CONNACK. */
  unanswered(): void {
    if (this.#isFree && ++this.#silentCloses >= SILENT_CLOSES_MAX) this.#change()
  }

  #change(): void {
    this.level = this.level === LEVEL.v5 ? LEVEL.v311 : LEVEL.v5
    this.#silentCloses = 0
  }
}
