"""The rows of SimulationService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.simulations.simulation_service import SimulationService
from meterline.v1.simulations_pb2 import SimulateCatalogRequest


def simulation_operations(simulations: SimulationService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "SimulationService.SimulateCatalog",
            SimulateCatalogRequest,
            simulations.simulate_catalog,
            Scope.BILL,
            CALL,
        ),
    )
