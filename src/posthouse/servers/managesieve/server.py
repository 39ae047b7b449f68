"""The ManageSieve service of one worker."""

from __future__ import annotations

from posthouse.model.session import Service
from posthouse.servers.managesieve.session import ManageSieveSession
from posthouse.servers.services import Services
from posthouse.servers.sessions import Sessions


class ManageSieveServer(Sessions):
    """``service`` is managesieve."""

    def __init__(self, services: Services, service: Service) -> None:
        super().__init__(lambda connection: ManageSieveSession(services, service, connection))
