// Lists that are asked for: who is in a room, and which rooms there are.

import { stale } from '../core/events.js';
import { fold } from '../core/names.js';
import { changed, current, store } from '../core/store.js';
import { isId, isText } from '../core/text.js';

export const MEMBERS_KEPT = 300;
const MEMBERS_PAGE = 100;
const MEMBERS_EVERY_MS = 3000; // between lists of members, where not all that matters of them is announced
const BIG_ROOM = 100; // members, above which the server stops announcing who comes and goes

export class Lists {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) {
    this.#session = session;
    stale.on((conv) => this.#askMembersSoon(conv));
  }

  /** Members are asked for when a room is first looked at: coming back to forty rooms must not cost forty lists. */
  askMembers(conv) {
    if (conv.kind !== 'room' || conv.stage === 'out' || conv.stage === 'joining' || conv.membersAsked) return;
    conv.membersAsked = true;
    const page = (after) => this.#session.request({ type: 'who', room: conv.name, limit: MEMBERS_PAGE, ...(after === undefined ? {} : { after }) }, (frame) => {
      if (!Array.isArray(frame.members)) return;
      this.learnMembers(conv, frame, after === undefined);
      if (frame.next !== undefined && frame.next !== null && conv.members.size < MEMBERS_KEPT) page(frame.next);
      changed();
    });
    page(undefined);
  }

  learnMembers(conv, { members, roles, accounts, offline, away, total }, isFirst) {
    for (const them of isFirst ? [conv.members, conv.roles, conv.accounts, conv.away, conv.resting] : []) them.clear();
    for (const name of members.filter(isText)) conv.members.set(fold(name), name);
    if (conv.stage === 'in') conv.members.set(fold(store.name), store.name); // whoever is past the first pages
    for (const [name, role] of Object.entries(roles ?? {})) conv.roles.set(fold(name), role);
    for (const [them, names] of [[conv.accounts, accounts], [conv.away, offline], [conv.resting, away]]) {
      if (Array.isArray(names)) for (const name of names.filter(isText)) them.add(fold(name));
    }
    if (isId(total)) conv.total = total;
  }

  /**
   * In a big room nobody announces who comes and goes, and nowhere whether an account has a device connected, so the list is
   * asked for again whenever it is shown.
   */
  refreshMembers(conv) {
    if (conv.total > BIG_ROOM || conv.accounts.size > 0) conv.membersAsked = false;
    this.askMembers(conv);
  }

  #askMembersSoon(conv) {
    conv.membersTimer ||= setTimeout(() => {
      conv.membersTimer = 0;
      conv.membersAsked = false;
      if (conv === current()) this.askMembers(conv);
    }, MEMBERS_EVERY_MS);
  }
}
