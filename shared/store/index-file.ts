import type { Catalog } from './catalog.ts'
import type { Segment, SegmentHeader } from './segment.ts'

export function loadIndex(
  _bytes: Uint8Array,
  _id: number,
  _header: SegmentHeader | undefined,
  _size: number,
  _catalog: Catalog,
): Segment | undefined {
  return undefined
}
