import { FilterUnion, type SubjectFilter } from '../subject/index.ts'
import { FILTERS_APART_MAX } from './limits.ts'

/** Few filters as they are. Very many as one: nothing may cost so much per message as there are filters. */
export function joinedFilters(filters: readonly SubjectFilter[]): readonly SubjectFilter[] {
  return filters.length > FILTERS_APART_MAX ? [new FilterUnion(filters)] : filters
}
