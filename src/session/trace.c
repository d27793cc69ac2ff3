/* What runs did, step by step: switched on, and written out as a timeline. */
#include "session/session.h"

berth_status berth_session_profile(berth_session *s, bool on, berth_error *error)
{
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    if (on && !s->profiled) s->profiled = bt_profile_new();
    berth_status status = on && !s->profiled ? bt_fail_memory(error) : BERTH_OK;
    if (!on && s->profiled) bt_profile_clear(s->profiled);
    s->profile = on ? s->profiled : NULL;
    pthread_mutex_unlock(&s->lock);
    return status;
}

berth_status berth_session_trace(berth_session *s, berth_write_fn *write, void *user, berth_error *error)
{
    berth_error own;
    if (!error) error = &own;
    bt_error_clear(error);
    pthread_mutex_lock(&s->lock);
    bt_profile *profile = s->profiled;
    pthread_mutex_unlock(&s->lock);
    if (!profile) return bt_fail(error, BERTH_BAD_ARGUMENT, "the session was never profiled");
    bt_text text = {0};
    bt_profile_write(profile, &text);
    if (text.failed) bt_fail_memory(error);
    else if (write(user, text.p, text.n)) bt_fail(error, BERTH_CANCELLED, "the trace was stopped");
    bt_text_free(&text);
    return error->status;
}
