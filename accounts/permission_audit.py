"""Audit of changes of rights, wherever they are made: back office, command, shell or migration.

Django's signals report them; `QuerySet.update` sends none, and our code never changes rights that way. The actor is
known in the back office (`luxewin.audit.services.acting`).
"""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver

from accounts.models import User
from luxewin.audit.services import record

FLAGS = ("is_active", "is_staff", "is_superuser")
PLAIN = {"is_active": True, "is_staff": False, "is_superuser": False}
# The audit action of a change, and what the change is of.
LINKS: dict[Any, tuple[str, str]] = {
    User.groups.through: ("user.groups_changed", "groups"),
    User.user_permissions.through: ("user.permissions_changed", "user_permissions"),
    Group.permissions.through: ("group.permissions_changed", "permissions"),
}
# The attribute that keeps a row's earlier values between the two signals of one change.
KEPT = "_rights_before"


@receiver(pre_save, sender=User, dispatch_uid="accounts.permission_audit.before")
def keep_flags(instance: User, update_fields: Any, **kwargs: Any) -> None:
    """Lock and read the flags about to change. Cost: one query, when rights or all fields are saved."""
    touched = [name for name in FLAGS if update_fields is None or name in update_fields]
    before: dict[str, bool] | None = PLAIN
    if not instance._state.adding:  # noqa: SLF001 Django's public name for it
        rows = User.objects.select_for_update(no_key=True).filter(pk=instance.pk)
        before = rows.values(*FLAGS).first() if touched else None
    vars(instance)[KEPT] = {name: before[name] for name in touched} if before else {}


@receiver(post_save, sender=User, dispatch_uid="accounts.permission_audit.after")
def record_flags(instance: User, **kwargs: Any) -> None:
    """Write one audit row if any flag changed."""
    kept = vars(instance).pop(KEPT)
    before = {name: value for name, value in kept.items() if value != getattr(instance, name)}
    if before:
        after = {name: getattr(instance, name) for name in before}
        record("user.rights_changed", instance, before=before, after=after)


@receiver(post_delete, sender=User, dispatch_uid="accounts.permission_audit.deleted")
def record_deletion(instance: User, **kwargs: Any) -> None:
    """Record the deletion of a person's row."""
    record("user.removed", instance, before={name: getattr(instance, name) for name in FLAGS})


@receiver(pre_save, sender=Group, dispatch_uid="accounts.permission_audit.group")
def record_role(instance: Group, **kwargs: Any) -> None:
    """Record a change of a role's name, by which code finds it."""
    before = Group.objects.filter(pk=instance.pk).first() if instance.pk else None
    if before and before.name != instance.name:
        record("group.renamed", instance, before={"name": before.name}, after={"name": instance.name})


@receiver(post_save, sender=Group, dispatch_uid="accounts.permission_audit.group_created")
def record_new_role(instance: Group, created: bool, **kwargs: Any) -> None:
    """Record a new role; its permissions are recorded as they are added."""
    if created:
        record("group.created", instance, after={"name": instance.name})


@receiver(pre_delete, sender=Group, dispatch_uid="accounts.permission_audit.group_deleted")
def record_end_of_role(instance: Group, **kwargs: Any) -> None:
    """Record a deleted role, and its members, who lose what it gave."""
    members = [str(key) for key in instance.user_set.order_by("pk").values_list("pk", flat=True)]
    before = {"name": instance.name, "permissions": _names(instance, "permissions"), "members": members}
    record("group.deleted", instance, before=before)


@receiver(m2m_changed, dispatch_uid="accounts.permission_audit.links")
def record_links(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: set[Any] | None, **kwargs: Any
) -> None:
    """Write one audit row for each holder whose groups or permissions changed."""
    if sender not in LINKS:
        return
    name, field = LINKS[sender]
    if action.startswith("pre_"):
        holders = _holders(instance, reverse, model, pk_set, field)
        vars(instance)[KEPT] = [(holder, _names(holder, field)) for holder in holders]
        return
    for holder, before in vars(instance).pop(KEPT, []):
        after = _names(holder, field)
        if after != before:
            record(name, holder, before={field: before}, after={field: after})


def _holders(instance: Any, reverse: bool, model: Any, pk_set: set[Any] | None, field: str) -> list[Model]:
    """Return the holders whose rights change: on the reverse side of the relation, not the instance but the others."""
    if not reverse:
        return [instance]
    if pk_set is not None:
        return list(model.objects.filter(pk__in=pk_set).order_by("pk"))
    return list(model.objects.filter(**{field: instance}).order_by("pk"))


def _names(holder: Any, field: str) -> list[str]:
    linked = getattr(holder, field)
    if linked.model is Permission:
        pairs = linked.values_list("content_type__app_label", "codename")
        return sorted(f"{app}.{codename}" for app, codename in pairs)
    return sorted(linked.values_list("name", flat=True))
