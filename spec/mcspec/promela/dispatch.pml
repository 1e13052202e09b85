/* The twin of mcspec/dispatch.py: the same variables, and for each of its commands an atomic step with the same guard,
 * which prints source;target;text when simulated. Worker w runs the event loop that waits at its pipe and at its
 * connections; an event loop serves every event that stays ready, so each of them is a process, and weak fairness
 * ("what stays possible is done at some time") holds for each. -DBUG=<n> plants one, see the end of the file. */
#ifndef NC
#define NC 2    /* clients, 1 to 4 */
#define NW 2    /* workers, 1 to 3 */
#define LIMIT 1 /* open connections */
#endif
#ifndef BUG
#define BUG 0
#endif
#define NOBODY 255
#define BOOT 0 /* stage */
#define STAYS 1
#define RUNS 2
#define DRAINS 3
#define STOPPED 4
#define AWAY 0 /* peers */
#define SILENT 1
#define MUTE 2
#define SENT 3
#define ANSWERED 4
#define GONE 5
#define BACKLOG 1 /* socks; 0: none */
#define OPEN 2
#define CLOSED 3
#define REFUSED 4
#define READY 0 /* hand */
#define HOLDS 1
#define TELLS 2
#define FULL 3
#define EVENTS 0 /* loops */
#define WOKEN 1
#define EXITED 2
byte stage, open, hand, held = NOBODY, told = NOBODY;
bool fast, listening, accepting;
byte peers[NC], socks[NC], pipes[NW], loops[NW], owned[NW];
chan queues[NW] = [NC] of { byte };
hidden byte x; /* used within a step only */
#define up (stage == STAYS || stage == RUNS)
#define serves(c, w) (loops[w] == EVENTS && (owned[w] >> c & 1))
#define AT(n, i) ((i) * ((n) > (i))) /* i, or 0 where there are not so many */
#define OWNED ((owned[0] | owned[AT(NW, 1)] | owned[AT(NW, 2)]) & 1)
#define ALL_EXITED (loops[0] == EXITED && loops[AT(NW, 1)] == EXITED && loops[AT(NW, 2)] == EXITED)
#define WAITS(c) socks[AT(NC, c)] == BACKLOG
#define SOMEBODY_WAITS (WAITS(0) || WAITS(1) || WAITS(2) || WAITS(3))
#define BOOTS(f, s) stage == BOOT -> stage = (s -> STAYS : RUNS); fast = f; listening = true; accepting = true; \
  printf("@operator;server;starts it: maxconns_fast %d, for ever %d\n", f, s)
#define ACCEPT(c) socks[c] == BACKLOG && hand == READY && accepting && up && open < LIMIT -> \
  hand = HOLDS; held = c; socks[c] = OPEN; open++; printf("@listener;client %d;accepts\n", c)
#define TURN_AWAY(c) socks[c] == BACKLOG && hand == READY && fast && up && open >= LIMIT -> \
  peers[c] = GONE; socks[c] = REFUSED; printf("@listener;client %d;turns away: too many open connections\n", c)
#define PUSH(w) hand == HOLDS -> queues[w]!held; hand = TELLS; held = NOBODY; told = w; \
  printf("@listener;worker %d;puts the connection on its queue\n", w)
#define NOTIFY(w) hand == TELLS && told == w -> \
  pipes[w] = (BUG == 1 -> 1 : pipes[w] + 1); hand = READY; told = NOBODY; \
  printf("@listener;worker %d;writes a byte to its pipe\n", w)
#define CLOSE(c, w) peers[c] = GONE; socks[c] = CLOSED; owned[w] = owned[w] & ~(1 << c); open--
active [NC] proctype client() {
  byte c = _pid;
end: do
  :: d_step { peers[c] == AWAY && listening -> peers[c] = SILENT; socks[c] = BACKLOG;
              printf("@client %d;listener;connects\n", c) }
  :: d_step { peers[c] == AWAY && !listening -> peers[c] = GONE; socks[c] = REFUSED;
              printf("@client %d;listener;is refused: nobody listens\n", c) }
  :: d_step { peers[c] == SILENT || peers[c] == ANSWERED -> peers[c] = SENT;
              printf("@client %d;server;sends a request\n", c) }
  :: d_step { peers[c] == SILENT || peers[c] == SENT || peers[c] == ANSWERED -> peers[c] = GONE;
              printf("@client %d;server;leaves\n", c) }
  :: d_step { peers[c] == SILENT && (stage == RUNS || stage == DRAINS) -> peers[c] = MUTE;
              printf("@client %d;server;is lost without a word\n", c) }
  od
}

active [NC * NW] proctype event() { /* connection c is ready in the event loop of worker w */
  byte c = (_pid - NC) % NC, w = (_pid - NC) / NC;
end: do
  :: d_step { (stage != DRAINS || BUG == 5) && peers[c] == SENT && serves(c, w) -> peers[c] = ANSWERED;
              printf("@worker %d;client %d;answers\n", w, c) }
  :: d_step { stage == DRAINS && BUG != 5 && peers[c] == SENT && serves(c, w) -> CLOSE(c, w);
              printf("@worker %d;client %d;answers and closes: the server is stopping\n", w, c) }
  :: d_step { (peers[c] == ANSWERED || (peers[c] == GONE && BUG != 2)) && serves(c, w) -> CLOSE(c, w);
              if :: BUG == 3 -> accepting = listening :: else fi;
              printf("@worker %d;client %d;closes\n", w, c) }
  :: d_step { stage == DRAINS && (peers[c] == SILENT || (peers[c] == MUTE && BUG != 4)) && serves(c, w) -> CLOSE(c, w);
              printf("@worker %d;client %d;closes: the server is stopping\n", w, c) }
  od
}

active [NW] proctype worker() { /* the notify pipe is ready in the event loop of worker w */
  byte w = _pid - NC - NC * NW;
end: do
  :: d_step { loops[w] == EVENTS && pipes[w] > 0 -> pipes[w]--; loops[w] = WOKEN;
              printf("@worker %d;worker %d;reads a byte of its pipe\n", w, w) }
  :: d_step { loops[w] == WOKEN && len(queues[w]) > 0 -> queues[w]?x; owned[w] = owned[w] | (1 << x); loops[w] = EVENTS;
              printf("@worker %d;worker %d;takes a connection off its queue\n", w, w) }
  :: d_step { loops[w] == WOKEN && len(queues[w]) == 0 -> loops[w] = EVENTS;
              printf("@worker %d;worker %d;finds its queue empty\n", w, w) }
  :: d_step { stage == DRAINS && !listening && loops[w] == EVENTS && len(queues[w]) == 0 && !pipes[w] && !owned[w] ->
              loops[w] = EXITED; printf("@worker %d;server;ends\n", w) }
  od
}

active proctype listener() {
end: do
  :: d_step { ACCEPT(0) } :: d_step { TURN_AWAY(0) }
#if NC > 1
  :: d_step { ACCEPT(1) } :: d_step { TURN_AWAY(1) }
#endif
#if NC > 2
  :: d_step { ACCEPT(2) } :: d_step { TURN_AWAY(2) }
#endif
#if NC > 3
  :: d_step { ACCEPT(3) } :: d_step { TURN_AWAY(3) }
#endif
  :: d_step { PUSH(0) } :: d_step { NOTIFY(0) }
#if NW > 1
  :: d_step { PUSH(1) } :: d_step { NOTIFY(1) }
#endif
#if NW > 2
  :: d_step { PUSH(2) } :: d_step { NOTIFY(2) }
#endif
  :: d_step { hand == READY && accepting && !fast && up && open >= LIMIT && SOMEBODY_WAITS -> hand = FULL;
              printf("@listener;listener;sees that there is no room\n") }
  :: d_step { hand == FULL -> hand = READY; accepting = false; printf("@listener;listener;stops accepting\n") }
  :: d_step { BUG != 3 && hand == READY && !accepting && up && open < LIMIT -> accepting = true;
              printf("@listener;listener;finds room and accepts again\n") }
  :: d_step { stage == DRAINS && hand == READY && listening -> listening = false; accepting = false;
              for (x : 0 .. NC - 1) { if :: socks[x] == BACKLOG -> socks[x] = REFUSED; peers[x] = GONE :: else fi }
              printf("@listener;listener;closes the listening socket\n") }
  od
}

active proctype operator() {
end: do
  :: d_step { BOOTS(0, 0) } :: d_step { BOOTS(0, 1) } :: d_step { BOOTS(1, 0) } :: d_step { BOOTS(1, 1) }
  :: d_step { stage == RUNS -> stage = DRAINS; printf("@operator;server;asks it to stop\n") }
  :: d_step { stage == DRAINS && ALL_EXITED -> stage = STOPPED; printf("@server;operator;has stopped\n") }
  od
}

/* Client 0 stands for all. Each of these holds with BUG 0 if the processes are weakly fair, and a bug breaks each:
 * served: 1 (a byte is written only where there is none); answered: 2 (a client that leaves is not seen);
 * resumed: 3 (room is looked for only when a connection closes); drained: 4 (the silent are waited for) and
 * 5 (requests are answered for as long as they come). */
ltl served { [] (socks[0] == OPEN && !OWNED -> <> (OWNED || socks[0] != OPEN)) }
ltl answered { [] (socks[0] == OPEN && peers[0] == SENT -> <> (peers[0] == ANSWERED || socks[0] != OPEN)) }
ltl resumed { [] (stage == STAYS && !accepting && open < LIMIT -> <> accepting) }
ltl drained { [] (stage == DRAINS -> <> (stage == STOPPED)) }
