import type { Random } from '../../shared/runtime/index.ts'

export interface LinkQuality {
  readonly delayMs: number
  readonly jitterMs: number
  readonly bytesPerMs: number
}

export const LAN: LinkQuality = { delayMs: 0.2, jitterMs: 0.3, bytesPerMs: 100_000 }

/** A slow uplink: 50 kbit/s and a third of a second there. */
export const NARROW: LinkQuality = { delayMs: 300, jitterMs: 100, bytesPerMs: 6.25 }

/** What lies between two machines, both ways. */
export class SimLink {
  quality: LinkQuality = LAN
  readonly #blocked = new Set<string>()

  get bytesPerMs(): number {
    return this.quality.bytesPerMs
  }

  delayMs(random: Random): number {
    return this.quality.delayMs + random.float() * this.quality.jitterMs
  }

  /** Whether packets that `from` sends arrive. */
  isOpen(from: string): boolean {
    return !this.#blocked.has(from)
  }

  block(from: string): void {
    this.#blocked.add(from)
  }

  heal(): void {
    this.#blocked.clear()
  }
}
